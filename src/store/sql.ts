/** A value that travels as a parameter. */
export type Value = string | number | bigint | null | Uint8Array;

/** One row, as column name to value. */
export type Row = Record<string, Value>;

/** The tagged template: values become parameters, fragments nest, `sql.id` quotes identifiers. */
export interface Sql {
  <R extends Row = Row>(strings: TemplateStringsArray, ...values: unknown[]): Query<R>;
  id(...parts: string[]): Fragment;
  join(fragments: readonly Fragment[], separator?: string): Fragment;
  begin<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}
export interface Fragment { readonly text: string; readonly values: readonly Value[] }
export interface Query<R> extends Fragment, PromiseLike<R[] & { affected: number }> {}
