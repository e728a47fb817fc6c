/** A value that travels as a parameter. */
export type Value = string | number | bigint | null | Uint8Array;

/** One row, as column name to value. */
export type Row = Record<string, Value>;

/** A piece of SQL with its parameters. */
export interface Fragment {
  readonly text: string;
  readonly values: readonly Value[];
}

export type Rows<R> = R[] & { affected: number };

/** A fragment that is executed, once, when it is awaited. */
export interface Query<R> extends Fragment, PromiseLike<Rows<R>> {}

/** The tagged template: values become parameters, fragments nest, `sql.id` quotes identifiers. */
export interface Sql {
  <R extends Row = Row>(strings: TemplateStringsArray, ...values: unknown[]): Query<R>;
  /** A quoted identifier; several parts are joined by dots. */
  id(...parts: string[]): Fragment;
  /** Fragments one after the other, by default separated by commas. */
  join(fragments: readonly Fragment[], separator?: string): Fragment;
  /** Runs `work` as a unit: what it did is taken back if it throws. */
  begin<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}

/** What a template needs to know of a connection. */
export interface Executor {
  quote(name: string): string;
  execute(text: string, values: readonly Value[]): Promise<Rows<Row>>;
  begin<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}

const FRAGMENT = Symbol('fragment');

/** The template over one connection. */
export function createSql(executor: Executor): Sql {
  const template = <R extends Row>(strings: TemplateStringsArray, ...values: unknown[]): Query<R> => {
    const { text, values: bound } = assemble(strings, values);
    let running: Promise<Rows<Row>> | undefined;
    // Only `await` executes, so that a query can also be a part of another one.
    const query: Query<R> = {
      ...fragment(text, bound),
      then: (resolve, reject) => (running ??= executor.execute(text, bound)).then(resolve as never, reject),
    };
    return query;
  };
  return Object.assign(template, {
    id: (...parts: string[]) => fragment(parts.map((part) => executor.quote(part)).join('.'), []),
    join,
    begin: executor.begin,
  });
}

/** The template without a connection, for the pieces that dialects and sessions put together. */
export function part(strings: TemplateStringsArray, ...values: unknown[]): Fragment {
  const { text, values: bound } = assemble(strings, values);
  return fragment(text, bound);
}

/** SQL that is a constant of our own source; never made of names or values. */
export function raw(text: string): Fragment {
  return fragment(text, []);
}

export function join(fragments: readonly Fragment[], separator = ', '): Fragment {
  return fragment(
    fragments.map(({ text }) => text).join(separator),
    fragments.flatMap(({ values }) => values),
  );
}

function fragment(text: string, values: readonly Value[]): Fragment {
  return { text, values, [FRAGMENT]: true } as Fragment;
}

function assemble(strings: TemplateStringsArray, values: readonly unknown[]): { text: string; values: Value[] } {
  let text = strings[0] ?? '';
  const bound: Value[] = [];
  values.forEach((value, index) => {
    if (isFragment(value)) {
      text += value.text;
      bound.push(...value.values);
    } else {
      text += '?';
      bound.push(checked(value));
    }
    text += strings[index + 1] ?? '';
  });
  return { text, values: bound };
}

function isFragment(value: unknown): value is Fragment {
  return typeof value === 'object' && value !== null && FRAGMENT in value;
}

/** Drivers turn objects and arrays into SQL or JSON of their own making, and lone surrogates into U+FFFD: none may pass. */
function checked(value: unknown): Value {
  if (value === null || typeof value === 'bigint' || value instanceof Uint8Array) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'string' && value.isWellFormed()) return value;
  throw new TypeError(`Cannot bind ${describe(value)} as a parameter`);
}

function describe(value: unknown): string {
  if (typeof value === 'string') return 'a string with a lone surrogate';
  if (typeof value === 'number') return `"${value}"`;
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a value of type "${typeof value}"`;
}
