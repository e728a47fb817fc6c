import { SyncError } from '../core/errors.ts';
import type { Mapping } from '../core/model.ts';
import type { RowShape, Table } from '../core/table.ts';
import { contentProblems, keyProblems, missingValues, valueProblems } from './check-columns.ts';
import { unknownColumn, unknownTable } from './unknown.ts';

/** Problems stop every command; warnings tell what will be refused later, row by row. */
interface Findings {
  problems: string[];
  warnings: string[];
}

/** What of a database the check needs; a store has it. */
export interface Schema {
  tables(): Promise<string[]>;
  /** Null where there is no such table. */
  describe(table: string): Promise<Table | null>;
}

/** A mapping that fits the live database. */
export interface CheckedMapping {
  mapping: Mapping;
  table: Table;
  shape: RowShape;
}

/**
 * Checks mappings against the live database.
 *
 * @returns the mappings in the order given, and what will fail for single rows only
 * @throws {SyncError} `CONFIG` with everything that does not fit in `details`
 */
export async function checkMappings(
  mappings: readonly Mapping[],
  schema: Schema,
): Promise<{ mappings: CheckedMapping[]; warnings: string[] }> {
  const names = await schema.tables();
  const tables = new Map<string, Table>();
  for (const name of new Set(mappings.flatMap((mapping) => [mapping.table, ...Object.values(mapping.lookups).map(({ table }) => table)]))) {
    // A name is compared as spelled, as servers differ in whether case counts.
    const table = names.includes(name) ? await schema.describe(name) : null;
    if (table !== null) tables.set(name, table);
  }
  const checked: CheckedMapping[] = [];
  const findings: Findings = { problems: [], warnings: [] };
  for (const mapping of mappings) {
    const own = checkMapping(mapping, tables, names);
    const named = (line: string) => `Mapping "${mapping.name}": ${line}`;
    findings.problems.push(...own.problems.map(named));
    findings.warnings.push(...own.warnings.map(named));
    const table = tables.get(mapping.table);
    if (table !== undefined) checked.push({ mapping, table, shape: shapeOf(mapping, table) });
  }
  if (findings.problems.length > 0) {
    const summary = findings.problems.length === 1 ? findings.problems[0]! : `${findings.problems.length} things are wrong`;
    throw new SyncError('CONFIG', `The mappings do not fit the database: ${summary}`, {
      details: findings.problems,
      hint: 'Correct sync-run.config.json, or check that the database URL names the right database',
    });
  }
  return { mappings: checked, warnings: findings.warnings };
}

function shapeOf(mapping: Mapping, table: Table): RowShape {
  const { keyColumns, content, where } = mapping;
  return { table: mapping.table, primaryKey: table.primaryKey, keyColumns, content, where };
}

function checkMapping(mapping: Mapping, tables: ReadonlyMap<string, Table>, names: readonly string[]): Findings {
  const table = tables.get(mapping.table);
  const lookups = lookupFindings(mapping, tables, names);
  if (table === undefined) return { problems: [unknownTable(mapping.table, names), ...lookups.problems], warnings: [] };
  const problems: string[] = [];
  if (table.primaryKey.length === 0) {
    problems.push(`The table "${table.name}" has no primary key, without which no row can be named for sure; add one`);
  }
  for (const name of table.primaryKey) {
    const type = table.columns.find((column) => column.name === name)?.type ?? '';
    if (/float|double|real/.test(type)) {
      const exact = 'use an integer, a decimal or a text';
      problems.push(
        `The primary key column "${name}" of "${table.name}" is ${type}: a row cannot be named by such a number for sure; ${exact}`,
      );
    }
  }
  return {
    problems: [
      ...problems,
      ...contentProblems(mapping, table),
      ...keyProblems(mapping, table),
      ...valueProblems(mapping, table),
      ...lookups.problems,
    ],
    warnings: [...missingValues(mapping, table), ...lookups.warnings],
  };
}

function lookupFindings(mapping: Mapping, tables: ReadonlyMap<string, Table>, names: readonly string[]): Findings {
  const findings: Findings = { problems: [], warnings: [] };
  for (const [placeholder, lookup] of Object.entries(mapping.lookups)) {
    const table = tables.get(lookup.table);
    if (table === undefined) {
      findings.problems.push(`${unknownTable(lookup.table, names)} (lookup "${placeholder}")`);
      continue;
    }
    for (const column of [lookup.key, lookup.name]) {
      if (!table.columns.some(({ name }) => name === column))
        findings.problems.push(`${unknownColumn(column, table)} (lookup "${placeholder}")`);
    }
    if (!table.uniques.some((columns) => columns.length === 1 && columns[0] === lookup.key)) {
      findings.warnings.push(
        `"${lookup.table}"."${lookup.key}" of the lookup "${placeholder}" has no unique index; an id with two names is refused`,
      );
    }
  }
  return findings;
}
