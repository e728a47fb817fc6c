import { lstat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { proposeAttributes } from '../../config/gitattributes.ts';
import { readIfThere } from '../read-if-there.ts';

export interface AttributesProposal {
  line: string;
  /** False where `.gitattributes` is a link: nothing is written through one. */
  canApply: boolean;
  apply(): Promise<void>;
}

/** The line that keeps git from changing bytes of the mapped files; null where it is there. */
export async function proposeAttributesLine(top: string, root: string): Promise<AttributesProposal | null> {
  const path = join(top, '.gitattributes');
  const existing = await readIfThere(path);
  const line = proposeAttributes(root, existing);
  if (line === null) return null;
  const canApply = existing === null || (await lstat(path)).isFile();
  const separator = existing === null || existing === '' || existing.endsWith('\n') ? '' : '\n';
  return { line, canApply, apply: () => writeFile(path, `${separator}${line}\n`, { flag: 'a' }) };
}
