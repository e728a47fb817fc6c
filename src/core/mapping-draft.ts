import type { Mapping } from './model.ts';

/** A mapping as it is declared, by the configuration file or a preset, before its path is parsed and its key known. */
export interface MappingDraft extends Omit<Mapping, 'pattern' | 'keyColumns' | 'fingerprint'> {
  /** Pattern relative to the configured root. */
  path: string;
}
