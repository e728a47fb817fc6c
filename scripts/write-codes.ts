import { writeFile } from 'node:fs/promises';
import { codesDocument } from './codes.ts';

await writeFile(new URL('../docs/codes.md', import.meta.url), codesDocument());
