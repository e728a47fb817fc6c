import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Table } from '../../core/table.ts';
import type { Diagnosis } from '../link.ts';
import type { Sql } from '../sql.ts';

export async function diagnose(sql: Sql, tables: readonly Table[], file: string): Promise<Diagnosis[]> {
  const [journal] = await sql`PRAGMA journal_mode`;
  const mode = String(journal?.['journal_mode']);
  const durable = !['off', 'memory'].includes(mode);
  const lines: Diagnosis[] = [
    {
      ok: durable,
      message: `The journal mode is "${mode}"`,
      ...(!durable && { remedy: 'Run "PRAGMA journal_mode = WAL" on the database: without a journal on disk a crash can destroy it' }),
    },
  ];
  for (const path of [file, dirname(file)]) {
    const ok = await writable(path);
    lines.push({
      ok,
      message: `"${path}" is ${ok ? '' : 'not '}writable`,
      ...(!ok && { remedy: `Give this user the right to write "${path}"` }),
    });
  }
  for (const { name, triggers } of tables) {
    if (triggers.length === 0) continue;
    lines.push({ ok: true, message: `The table "${name}" has triggers (${triggers.join(', ')}); a text they change is refused` });
  }
  return lines;
}

async function writable(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
