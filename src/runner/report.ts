import type { Change } from '../core/manifest.ts';
import type { Key } from '../core/model.ts';
import type { Skip } from '../core/skips.ts';

export interface ConflictReport {
  path: string;
  mapping: string;
  key: Key;
  file: Change;
  row: Change;
}

/** What a run did; the JSON document of `export`, `import`, `sync`, `resolve` and `undo`. */
export interface Report {
  command: string;
  txid: string | null;
  dryRun: boolean;
  files: { written: number; deleted: number; renamed: number };
  rows: { written: number; inserted: number; deleted: number; renamed: number };
  adopted: number;
  unchanged: number;
  ahead: { files: number; rows: number };
  conflicts: ConflictReport[];
  skipped: Skip[];
  /** Everything written was read back and is what was meant. */
  verified: boolean;
  ms: number;
  /** What a person should know and no machine needs. */
  notices: string[];
  /** What one side is ahead by and the direction did not carry over. */
  aheadPaths: { files: string[]; rows: string[] };
  /** What was or would be done, one line each; for people. */
  changes: { action: string; path: string; from?: string }[];
}

export function emptyReport(command: string, dryRun: boolean): Report {
  return {
    command,
    txid: null,
    dryRun,
    files: { written: 0, deleted: 0, renamed: 0 },
    rows: { written: 0, inserted: 0, deleted: 0, renamed: 0 },
    adopted: 0,
    unchanged: 0,
    ahead: { files: 0, rows: 0 },
    conflicts: [],
    skipped: [],
    verified: true,
    ms: 0,
    notices: [],
    aheadPaths: { files: [], rows: [] },
    changes: [],
  };
}
