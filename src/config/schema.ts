import { z } from 'zod';
import { ENCODED } from '../core/names.ts';
import { checkPath } from '../core/safe-path.ts';

/** The file, at the top of the working tree. */
export const configFileName = 'sync-run.config.json';

const literal = z
  .union([z.string(), z.number(), z.boolean(), z.null()], { error: 'must be a string, a number, true, false or null' })
  .refine(
    (value) => typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value),
    'must be written as a string: the number is too large to be exact',
  );

// A backquote or a NUL in a name is a mistake or an attack, never a table.
const identifier = z
  .string()
  .min(1)
  .max(255)
  .refine((name) => !/[\p{Cc}`"]/u.test(name), 'must be the plain name of a table or column');

const columnValues = (description: string) => z.record(identifier, literal).default({}).describe(description);

const lookup = z
  .strictObject({
    column: identifier.describe('The column of the table that holds the id; it is part of the key.'),
    table: identifier.describe('The table that has the names.'),
    key: identifier.describe('The column of that table that equals the id.'),
    name: identifier.describe('The column of that table that is shown in the path.'),
    fixed: z
      .record(z.string().min(1), z.union([z.string(), z.number().int()], { error: 'must be the id as a number or a string' }))
      .default({})
      .describe('Names for ids that have no row of their own, as name to id.'),
  })
  .describe('Shows the name of a row of another table instead of its id.');

const derive = z
  .strictObject({
    from: identifier.describe('A column of the key.'),
    until: z.string().min(1).max(64).describe('The text before the first occurrence of this is shown; the whole value if there is none.'),
  })
  .describe('A part of the path that follows from a column of the key, for the reader only.');

// The keys of these become placeholder names, so they are spelled as a pattern spells them.
const placeholder = z.string().min(1);

const mapping = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9_-]+$/, 'must consist of a-z, 0-9, "_" and "-"')
      .max(64)
      .describe('How messages call the mapping.'),
    table: identifier.describe('The table. It needs a primary key.'),
    path: z
      .string()
      .min(1)
      .describe(
        'The path of a file below "root". {column} stands for the value of that column; the columns named here are the key, which with "where" must select one row.',
      ),
    content: identifier.describe('The column that holds the text.'),
    where: columnValues('Only rows with these values belong to the mapping.'),
    insert: columnValues('Columns set on new rows: a constant, "@now", "@unixtime"; "@@x" is the text "@x".'),
    touch: columnValues('Columns set on every row that is written: a constant, "@now", "@unixtime"; "@@x" is the text "@x".'),
    lookups: z.record(placeholder, lookup).default({}).describe('Placeholders of "path" that show a name from another table.'),
    derive: z.record(placeholder, derive).default({}).describe('Placeholders of "path" that follow from a column of the key.'),
    delete: z.enum(['apply', 'ignore']).default('apply').describe('Whether a deletion on one side is applied on the other.'),
    newlines: z.enum(['exact', 'lf']).default('exact').describe('"lf": files have LF; a row whose newlines were all CRLF keeps them.'),
    direction: z.enum(['both', 'rows-to-files', 'files-to-rows']).default('both').describe('Which side is written.'),
    empty: z.enum(['refuse', 'allow']).default('refuse').describe('Whether a text that becomes empty on one side is applied on the other.'),
    exclude: z.array(z.string().min(1)).default([]).describe('Globs of paths below "root" that the mapping leaves alone.'),
  })
  .describe('The rule that ties one text column of a table to files.');

const policy = z.enum(['warn', 'block']).default('warn');

/** `sync-run.config.json`. It describes mappings and policy only; what must not come from a branch has no place in it. */
export const configSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Where editors find the schema of this file.'),
    root: z
      .string()
      .superRefine((root, context) => {
        const reason = root.startsWith('/')
          ? 'is absolute'
          : (checkPath(root) ?? (ENCODED.test(root.replaceAll('/', '')) || /[{}]/.test(root) ? 'has an unsafe character' : null));
        if (reason !== null)
          context.addIssue({ code: 'custom', message: `must be a folder inside the repository such as "db", but it ${reason}` });
      })
      .default('db')
      .describe('The folder the files live in, from the top of the repository.'),
    mappings: z.array(mapping).default([]).describe('The rules that tie tables to files.'),
    preset: z.enum(['mybb']).optional().describe('Ready-made mappings for an application.'),
    prefix: z
      .string()
      .max(40)
      .regex(/^[\w$-]*$/, 'must consist of letters, digits, "_", "$" and "-"')
      .optional()
      .describe('What the table names of the preset\'s application begin with. Default: "mybb_".'),
    master: z.enum(['read', 'write']).optional().describe('MyBB: whether the Master Templates may be written. Default: "read".'),
    preCommit: z
      .strictObject({
        unreachable: policy.describe('What a commit does when the database cannot be reached.'),
        rowsAhead: policy.describe('What a commit does when rows were edited and the files not yet.'),
      })
      .prefault({})
      .describe('Policy of the pre-commit hook.'),
  })
  .describe('Configuration of sync-run.');

/** As it is written, defaults left out. */
export type ConfigInput = z.input<typeof configSchema>;
/** As it is used, defaults filled in. */
export type Config = z.output<typeof configSchema>;
