import type { z } from 'zod';
import { nearest } from '../core/nearest.ts';

/** One line per thing that is wrong, each beginning with where: `"mappings[0].path" must be a text, found a number`. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  known: (path: readonly PropertyKey[]) => readonly string[],
): string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(issue.path, key, known(issue.path)));
    return [`${subject(issue.path)} ${requirement(issue, at(input, issue.path))}`];
  });
}

/** `mappings[0].lookups.set`, the way people write it. */
export function jsonPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const name = String(part);
    if (!/^[\w$@-]+$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

function subject(path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'The file' : `"${jsonPath(path)}"`;
}

/** What people write into the file although it comes from elsewhere, because a branch is other people's input (design: "Trust"). */
const elsewhere: { keys: RegExp; belongs: string }[] = [
  {
    keys: /^(?:url|uri|dsn|database.*|db|connection.*|credentials?|host(?:name)?|port|user(?:name)?|pass(?:word|wd)?|socket|target|tls|ssl|sqlite|mysql|mariadb)$/i,
    belongs:
      'the database URL belongs in the environment variable SYNC_RUN_DATABASE_URL, or in the state folder, where "npx sync-run init --url -" puts it',
  },
  {
    keys: /^(?:commands?|cmd|run|exec|scripts?|shell|hooks?|plugins?|(?:on|before|after|pre|post)[-_]?(?:apply|import|export|sync|write|run|batch|commit)s?)$/i,
    belongs: 'a configuration from a branch runs no commands; run them after sync-run, and set what a commit does by "preCommit"',
  },
  {
    keys: /^(?:state.*|lock.*|history.*|cache.*)$/i,
    belongs: 'the state folder is always "git rev-parse --git-path sync-run"',
  },
  {
    keys: /^(?:safety|limits?|max.*|allow.*|mass.*|force|prefer|trust(?:ed)?|dry.?run)$/i,
    belongs: 'safety limits are no matter of the tree; pass a flag such as --allow-mass-change to the run that needs it',
  },
];

function unknownKey(path: readonly PropertyKey[], key: string, known: readonly string[]): string {
  const name = `"${jsonPath([...path, key])}"`;
  const place = elsewhere.find(({ keys }) => keys.test(key));
  if (place !== undefined) return `${name} does not belong here: ${place.belongs}`;
  if (/^(?:keys?|key_?columns|primary_?key|id)$/i.test(key)) return `${name} is not known: the key is the columns named in "path"`;
  const meant = nearest(key, known);
  if (meant !== null) return `${name} is not known; did you mean "${meant}"?`;
  return `${name} is not known; known here: ${known.join(', ')}`;
}

function requirement(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? `is missing; it must be ${kinds[issue.expected] ?? issue.expected}`
        : `must be ${kinds[issue.expected] ?? issue.expected}, found ${found(value)}`;
    case 'invalid_value':
      return `must be ${issue.values.map((allowed) => JSON.stringify(allowed)).join(' or ')}, found ${found(value)}`;
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string' ? `must not be longer than ${issue.maximum} characters` : `must be at most ${issue.maximum}`;
    case 'invalid_key':
      return issue.issues[0] === undefined ? issue.message : requirement(issue.issues[0], issue.path.at(-1));
    default:
      return `${issue.message}, found ${found(value)}`;
  }
}

const kinds: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list [...]',
  object: 'an object {...}',
  record: 'an object {...}',
};

function found(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function at(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined),
    input,
  );
}
