import { writeFile } from 'node:fs/promises';
import { jsonSchema } from '../src/config/json-schema.ts';

await writeFile(new URL('../schema.json', import.meta.url), jsonSchema());
