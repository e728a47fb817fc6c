import { z } from 'zod';
import { configSchema } from './schema.ts';

/** The text of `schema.json`: what editors check `sync-run.config.json` against while it is written. */
export function jsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' });
  return `${JSON.stringify(schema, null, 2)}\n`;
}
