import type { TestContext } from 'node:test';
import { digest } from '../../src/core/digest.ts';
import { createForum, createProject, type Database, type Engine, forumConfig, type Project } from '../helpers/project.ts';
import { randomFrom } from '../prove/cases.ts';
import { filesOf } from './rig.ts';

const TEMPLATES = 974;
const STYLESHEETS = 7;
const SET = 'db/template_sets/Default Templates';

/** Path to digest. */
export type Digests = Record<string, string>;

export interface Forum extends Project {
  /** Every text on both sides at this age. */
  at(age: number): Digests;
  /** Brings one side to an age, without the code under test. */
  writeFiles(age: number): Promise<void>;
  writeRows(age: number): Promise<void>;
  fileDigests(): Promise<Digests>;
  /** Of all rows; waits for a transaction of a dying client to be over. */
  rowDigests(): Promise<Digests>;
}

interface Item {
  path: string;
  name: string;
  /** Everything but the four digits of the age, with which every text begins. */
  rest: string;
}

/** As many texts, of such names and sizes, as MyBB's default theme has: 6 bytes to 18 KB. */
function makeItems(): { templates: Item[]; stylesheets: Item[] } {
  const random = randomFrom(1837);
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const word = (): string => Array.from({ length: 3 + Math.floor(random() * 8) }, () => letters[Math.floor(random() * 26)]).join('');
  const groups = Array.from({ length: 30 }, word);
  const text = (size: number): string => {
    let made = '\n<';
    while (made.length < size - 4) made += `${word()} `;
    return made.slice(0, size - 4);
  };
  const templates = Array.from({ length: TEMPLATES }, (_, n) => {
    const group = groups[n % groups.length]!;
    const name = `${group}_${word()}_${word()}${n < 26 ? '' : letters[n % 26]}`;
    const size = n === 0 ? 6 : n === 1 ? 18_000 : Math.round(6 * 3000 ** (random() ** 1.5));
    return { path: `${SET}/${group}/${name}.html`, name, rest: text(size) };
  });
  const stylesheets = Array.from({ length: STYLESHEETS }, (_, n) => {
    const name = `${word()}${n}.css`;
    return { path: `db/styles/Default/${name}`, name, rest: text(2000 * (n + 1)) };
  });
  return { templates, stylesheets };
}

const digits = (age: number): string => String(age).padStart(4, '0');

export async function createBigForum(t: TestContext, engine: Engine): Promise<Forum> {
  const { templates, stylesheets } = makeItems();
  const items = [...templates, ...stylesheets];
  const fill = async (db: Database): Promise<void> => {
    await createForum(db);
    await db.sql('DELETE FROM mybb_templates');
    await db.sql('DELETE FROM mybb_themestylesheets');
    for (let start = 0; start < templates.length; start += 200) {
      const some = templates.slice(start, start + 200);
      const places = some.map(() => '(?, ?, 1)').join(', ');
      await db.sql(
        `INSERT INTO mybb_templates (title, template, sid) VALUES ${places}`,
        some.flatMap(({ name, rest }) => [name, digits(0) + rest]),
      );
    }
    for (const { name, rest } of stylesheets) {
      await db.sql("INSERT INTO mybb_themestylesheets (name, tid, attachedto, stylesheet) VALUES (?, 1, '', ?)", [name, digits(0) + rest]);
    }
  };
  const project = await createProject(t, { engine, setUp: fill, config: forumConfig });
  const { db } = project;
  const pathOf = new Map(items.map(({ name, path }) => [name, path]));
  const aged = (column: string, age: number): string =>
    engine === 'sqlite' ? `'${digits(age)}' || substr(${column}, 5)` : `CONCAT('${digits(age)}', SUBSTRING(${column}, 5))`;
  return Object.assign(project, {
    at: (age: number) => sorted(items.map(({ path, rest }) => [path, digest(Buffer.from(digits(age) + rest))])),
    async writeFiles(age: number) {
      for (const { path, rest } of items) await project.write(path, digits(age) + rest);
    },
    async writeRows(age: number) {
      await db.sql(`UPDATE mybb_templates SET template = ${aged('template', age)}`);
      await db.sql(`UPDATE mybb_themestylesheets SET stylesheet = ${aged('stylesheet', age)}`);
    },
    fileDigests: async () => sorted(Object.entries(await filesOf(project)).map(([path, text]) => [path, digest(Buffer.from(text))])),
    async rowDigests() {
      const lock = engine === 'sqlite' ? '' : ' LOCK IN SHARE MODE';
      const rows = [
        ...(await db.sql(`SELECT title AS name, template AS body FROM mybb_templates${lock}`)),
        ...(await db.sql(`SELECT name, stylesheet AS body FROM mybb_themestylesheets${lock}`)),
      ];
      return sorted(rows.map(({ name, body }) => [pathOf.get(String(name)) ?? String(name), digest(Buffer.from(String(body)))]));
    },
  });
}

function sorted(entries: [string, string][]): Digests {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
