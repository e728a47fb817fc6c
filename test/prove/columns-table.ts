/** A column a text may stand in. */
export interface ColumnCase {
  name: string;
  ddl: string;
  /** How `HEX` shows the text's bytes as a file would have them. */
  read: 'utf8' | 'raw';
  /** Where a text fits: decided here by what the manuals say, and not by the code under test. Null: only that nothing is changed counts. */
  fits: ((text: Buffer) => boolean) | null;
  /** What a file with this text makes of the row, where it is not the same. */
  newlines?: 'lf';
  /** Statements about the table `{table}`. */
  extra?: string[];
  /** Where the database itself changes a text, tables without transactions cannot take it back. */
  needsTransactions?: boolean;
}

const isUtf8 = (text: Buffer): boolean => Buffer.from(text.toString('utf8')).equals(text);
const decoded = (text: Buffer): string => text.toString('utf8');
const upTo = (bytes: number) => (text: Buffer) => isUtf8(text) && text.length <= bytes;
const within = (known: RegExp, bytes: number, size: (text: string) => number) => (text: Buffer) =>
  isUtf8(text) && known.test(decoded(text)) && size(decoded(text)) <= bytes;
const characters = (text: Buffer): number => [...decoded(text)].length;
const TEXT = 65_535;

// MySQL's latin1 is cp1252, with the controls where that has nothing.
const CP1252 =
  /^[\0-\x7f\xa0-\xff\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178\x81\x8d\x8f\x90\x9d]*$/;
const BMP = /^[\0-\uffff]*$/u;

const trigger = (body: string): string[] =>
  ['INSERT', 'UPDATE'].map((event) => `CREATE TRIGGER {table}_${event} BEFORE ${event} ON {table} FOR EACH ROW SET new.body = ${body}`);

export const mariadbColumns: readonly ColumnCase[] = [
  { name: 'tinytext', ddl: 'TINYTEXT CHARACTER SET utf8mb4', read: 'utf8', fits: upTo(255) },
  { name: 'text', ddl: 'TEXT CHARACTER SET utf8mb4 NOT NULL', read: 'utf8', fits: upTo(TEXT) },
  { name: 'mediumtext', ddl: 'MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci', read: 'utf8', fits: isUtf8 },
  {
    name: 'utf8mb3',
    ddl: 'TEXT CHARACTER SET utf8mb3',
    read: 'utf8',
    fits: (text) => upTo(TEXT)(text) && !/[^\0-\uffff]/u.test(decoded(text)),
  },
  { name: 'latin1', ddl: 'TEXT CHARACTER SET latin1', read: 'utf8', fits: within(CP1252, TEXT, (text) => text.length) },
  { name: 'ascii', ddl: 'TEXT CHARACTER SET ascii', read: 'utf8', fits: within(/^[\0-\x7f]*$/, TEXT, (text) => text.length) },
  { name: 'ucs2', ddl: 'TEXT CHARACTER SET ucs2', read: 'utf8', fits: within(BMP, TEXT, (text) => text.length * 2) },
  { name: 'gbk', ddl: 'TEXT CHARACTER SET gbk', read: 'utf8', fits: null },
  { name: 'sjis', ddl: 'TEXT CHARACTER SET sjis', read: 'utf8', fits: null },
  { name: 'varchar', ddl: 'VARCHAR(6) CHARACTER SET utf8mb4', read: 'utf8', fits: (text) => isUtf8(text) && characters(text) <= 6 },
  // A CHAR drops spaces at its end.
  {
    name: 'char',
    ddl: 'CHAR(6) CHARACTER SET utf8mb4',
    read: 'utf8',
    fits: (text) => isUtf8(text) && characters(text) <= 6 && text.at(-1) !== 0x20,
  },
  { name: 'blob', ddl: 'MEDIUMBLOB', read: 'raw', fits: () => true },
  { name: 'tinyblob', ddl: 'TINYBLOB', read: 'raw', fits: (text) => text.length <= 255 },
  { name: 'varbinary', ddl: 'VARBINARY(6)', read: 'raw', fits: (text) => text.length <= 6 },
  // A BINARY fills up with NUL.
  { name: 'binary', ddl: 'BINARY(6)', read: 'raw', fits: (text) => text.length === 6 },
  { name: 'lf', ddl: 'TEXT CHARACTER SET utf8mb4', read: 'utf8', fits: upTo(TEXT), newlines: 'lf' },
  { name: 'counted', ddl: 'TEXT CHARACTER SET utf8mb4, n INT AS (CHAR_LENGTH(body)) STORED', read: 'utf8', fits: upTo(TEXT) },
  {
    name: 'checked',
    ddl: 'TEXT CHARACTER SET utf8mb4 CHECK (OCTET_LENGTH(body) <= 6)',
    read: 'utf8',
    fits: upTo(6),
  },
  {
    name: 'shouting',
    ddl: 'TEXT CHARACTER SET utf8mb4',
    read: 'utf8',
    needsTransactions: true,
    extra: trigger('UPPER(new.body)'),
    fits: (text) => upTo(TEXT)(text) && decoded(text).toUpperCase() === decoded(text),
  },
  {
    name: 'trimmed',
    ddl: 'TEXT CHARACTER SET utf8mb4',
    read: 'utf8',
    needsTransactions: true,
    extra: trigger('TRIM(new.body)'),
    fits: (text) => upTo(TEXT)(text) && !/^ | $/.test(decoded(text)),
  },
  {
    name: 'cut',
    ddl: 'TEXT CHARACTER SET utf8mb4',
    read: 'utf8',
    needsTransactions: true,
    extra: trigger('LEFT(new.body, 6)'),
    fits: (text) => isUtf8(text) && characters(text) <= 6,
  },
];

const sqliteTrigger = (body: string): string[] =>
  ['INSERT', 'UPDATE OF body'].map(
    (event, index) =>
      `CREATE TRIGGER {table}_${index} AFTER ${event} ON {table} WHEN new.body IS NOT ${body} BEGIN UPDATE {table} SET body = ${body} WHERE id = new.id; END`,
  );

export const sqliteColumns: readonly ColumnCase[] = [
  { name: 'text', ddl: 'TEXT NOT NULL', read: 'raw', fits: isUtf8 },
  { name: 'nocase', ddl: 'TEXT COLLATE NOCASE', read: 'raw', fits: isUtf8 },
  { name: 'rtrim', ddl: 'TEXT COLLATE RTRIM', read: 'raw', fits: isUtf8 },
  { name: 'varchar', ddl: 'VARCHAR(6)', read: 'raw', fits: isUtf8 },
  { name: 'blob', ddl: 'BLOB', read: 'raw', fits: () => true },
  { name: 'bare', ddl: '', read: 'raw', fits: null },
  { name: 'lf', ddl: 'TEXT', read: 'raw', fits: isUtf8, newlines: 'lf' },
  { name: 'counted', ddl: 'TEXT, n INT AS (length(body)) STORED', read: 'raw', fits: isUtf8 },
  { name: 'short', ddl: 'TEXT CHECK (length(CAST(body AS BLOB)) <= 6)', read: 'raw', fits: (text) => isUtf8(text) && text.length <= 6 },
  {
    name: 'shouting',
    ddl: 'TEXT',
    read: 'raw',
    extra: sqliteTrigger('upper(new.body)'),
    fits: (text) => isUtf8(text) && !/[a-z]/.test(decoded(text)),
  },
  {
    name: 'trimmed',
    ddl: 'TEXT',
    read: 'raw',
    extra: sqliteTrigger('trim(new.body)'),
    fits: (text) => isUtf8(text) && !/^ | $/.test(decoded(text)),
  },
];

const text = (value: string): Buffer => Buffer.from(value);

/** Texts that columns like to change. Those of six characters fit the narrow columns. */
export const values: Readonly<Record<string, Buffer>> = {
  plain: text('plain'),
  'another case': text('BeFoRe'),
  capitals: text('PLAIN'),
  'exactly six': text('sixsix'),
  seven: text('sevenly'),
  'spaces at the end': text('ab  '),
  'spaces at the start': text('  ab'),
  'only spaces': text('   '),
  'a tab at the end': text('ab\t'),
  'NUL inside': text('a\0b'),
  'NUL at the end': text('ab\0'),
  'only NUL': text('\0'),
  'lone CR': text('a\rb'),
  CRLF: text('a\r\nb'),
  'mixed newlines': text('a\r\nb\n'),
  BOM: text('\uFEFFab'),
  accent: text('café'),
  'accent apart': text('cafe\u0301'),
  euro: text('€ÿ'),
  chinese: text('漢字'),
  emoji: text('a🙂'),
  replacement: text('a\uFFFD'),
  quoting: text('\\%_\'"`'),
  'no UTF-8': Buffer.from('6162ff', 'hex'),
  'a lone surrogate': Buffer.from('61eda080', 'hex'),
  'cut UTF-8': Buffer.from('61e282', 'hex'),
  'too long UTF-8': Buffer.from('61c080', 'hex'),
  '255 bytes': Buffer.alloc(255, 'x'),
  '256 bytes': Buffer.alloc(256, 'x'),
  '256 bytes of 128 characters': text('ü'.repeat(128)),
  '65,535 bytes': Buffer.alloc(TEXT, 'x'),
  '65,536 bytes': Buffer.alloc(TEXT + 1, 'x'),
  '65,536 bytes of 32,768 characters': text('ü'.repeat(32_768)),
};
