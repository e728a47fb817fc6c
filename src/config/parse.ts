import { type Digest, digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { MappingDraft } from '../core/mapping-draft.ts';
import type { Mapping } from '../core/model.ts';
import { findOverlaps } from '../core/overlap.ts';
import { canonicalJson, JsonError, lineAndColumn, parseJson } from './json.ts';
import { buildMapping, readStamps } from './mapping.ts';
import { describeIssues, jsonPath } from './problems.ts';
import { type Config, configSchema } from './schema.ts';

/** Ready-made mappings for an application; data, apart from the rules a mapping of the file cannot state. */
export type Preset = (options: { prefix: string | undefined; master: 'read' | 'write' }) => MappingDraft[];

/** By the name the configuration calls them. Passed in, since this folder knows no application. */
export type Presets = Record<NonNullable<Config['preset']>, Preset>;

export interface ParsedConfig {
  /** The folder the files live in, from the top of the repository. */
  root: string;
  /** The configuration in one canonical form, "$schema" left out: what `trust` shows and remembers. */
  canonical: string;
  /** Of `canonical`. */
  digest: Digest;
  config: Config;
  /** Those of the preset first. */
  mappings: Mapping[];
}

/**
 * Reads a configuration from its text. Pure: the same text and presets give the same mappings.
 *
 * @param fileName for the messages
 * @throws {SyncError} `CONFIG` with everything that is wrong in `details`
 */
export function parseConfig(text: string, fileName: string, presets: Presets): ParsedConfig {
  const input = readJson(text.replace(/^\uFEFF/, ''), fileName);
  const parsed = configSchema.safeParse(input, { reportInput: false });
  if (!parsed.success) throw invalid(fileName, describeIssues(parsed.error.issues, input, knownKeys));
  const config = parsed.data;
  const problems = presetProblems(config);
  const mappings: Mapping[] = [];
  const all = drafts(config, presets, problems);
  problems.push(...repeatedNames(all));
  for (const { draft, where } of all) {
    const built = buildMapping(draft, config.root, where);
    problems.push(...built.problems);
    if (built.mapping !== null) mappings.push(built.mapping);
  }
  problems.push(...findOverlaps(mappings));
  if (problems.length > 0) throw invalid(fileName, problems);
  const { $schema: _, ...content } = input as Record<string, unknown>;
  const canonical = canonicalJson(content);
  return { root: config.root, canonical, digest: digest(new TextEncoder().encode(canonical)), config, mappings };
}

function readJson(text: string, fileName: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const { line, column } = lineAndColumn(text, error.offset);
    throw new SyncError('CONFIG', `"${fileName}" is not valid JSON: ${error.message} at line ${line}, column ${column}`, {
      hint: `Correct ${fileName}:${line}:${column}`,
      details: [`${fileName}:${line}:${column}: ${error.message}`],
      cause: error,
    });
  }
}

function invalid(fileName: string, details: string[]): SyncError {
  const summary = details.length === 1 ? details[0]! : `${details.length} things are wrong`;
  return new SyncError('CONFIG', `"${fileName}" cannot be used: ${summary}`, { details, hint: `Correct ${fileName}` });
}

function knownKeys(path: readonly PropertyKey[]): string[] {
  const shape = configSchema.shape;
  const mapping = shape.mappings.unwrap().element.shape;
  if (path.length === 0) return Object.keys(shape);
  if (path[0] === 'preCommit') return Object.keys(shape.preCommit.unwrap().shape);
  if (path.length === 2) return Object.keys(mapping);
  return Object.keys(mapping[path[2] as 'lookups' | 'derive'].unwrap().valueType.shape);
}

function presetProblems(config: Config): string[] {
  const problems: string[] = [];
  if (config.preset === undefined) {
    for (const key of ['prefix', 'master'] as const) {
      if (config[key] !== undefined) problems.push(`"${key}" has no effect without "preset"; add "preset": "mybb" or remove it`);
    }
    if (config.mappings.length === 0) problems.push('"mappings" is empty: add a mapping, or a "preset" such as "mybb"');
  }
  return problems;
}

interface Placed {
  draft: MappingDraft;
  /** JSON path, for the messages. */
  where: PropertyKey[];
}

function drafts(config: Config, presets: Presets, problems: string[]): Placed[] {
  const preset = config.preset === undefined ? [] : presets[config.preset]({ prefix: config.prefix, master: config.master ?? 'read' });
  return [
    ...preset.map((draft) => ({ draft, where: ['preset', draft.name] })),
    ...config.mappings.map((mapping, index) => {
      const where = ['mappings', index];
      const insert = readStamps(mapping.insert, [...where, 'insert']);
      const touch = readStamps(mapping.touch, [...where, 'touch']);
      problems.push(...insert.problems, ...touch.problems);
      return { draft: { ...mapping, insert: insert.stamps, touch: touch.stamps, rules: {} }, where };
    }),
  ];
}

function repeatedNames(all: readonly Placed[]): string[] {
  const seen = new Set<string>();
  return all.flatMap(({ draft: { name }, where }) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [`"${jsonPath([...where, 'name'])}" "${name}" is the name of another mapping already`];
  });
}
