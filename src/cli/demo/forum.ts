import { writeFile } from 'node:fs/promises';
import { openStore } from '../../store/open.ts';
import type { Row, Sql } from '../../store/sql.ts';
import type { Store } from '../../store/store.ts';

/** A forum in an SQLite file, with the tables of MyBB 1.8 that hold text, and a small theme of its own. */
export interface Forum {
  readonly url: string;
  /** As somebody does in the admin panel: changes the row and nothing else. */
  editTemplate(title: string, text: string): Promise<void>;
  template(title: string): Promise<string | null>;
  stylesheet(name: string): Promise<string | null>;
}

export const set = 'Harbour';
const setId = 1;
const themeId = 2;

export const templates: Record<string, string> = {
  header: '<header class="quay">\n  <a href="{$mybb->settings[\'bburl\']}">The Harbour</a>\n</header>\n',
  footer: '<footer>\n  <p>Boats come and go</p>\n  <hr>\n  <p>Mind the gap</p>\n</footer>\n',
  index: '<main>\n  {$forums}\n  {$boardstats}\n</main>\n',
  index_boardstats: '<section class="stats">{$stats[\'numposts\']} letters in the log book</section>\n',
  forumbit: "<h2>{$forum['name']}</h2>\n<p>{$forum['description']}</p>\n",
  postbit: "<article id=\"post_{$post['pid']}\">\n  {$post['message']}\n  {$post['signature']}\n</article>\n",
  postbit_signature: '<aside class="signature">{$post[\'signature\']}</aside>\n',
  showthread: "<h1>{$thread['subject']}</h1>\n{$posts}\n",
};

export const stylesheets: Record<string, string> = {
  'global.css': 'body { background: #f4f1ea; color: #1d2b36; }\n.quay { border-bottom: 3px solid #1d2b36; }\n',
  'print.css': 'header, footer { display: none; }\n',
};

/** Where the file of a template belongs, from the top of the repository. */
export function templatePath(title: string): string {
  return `db/template_sets/${set}/${title.split('_')[0]}/${title}.html`;
}

export function stylesheetPath(name: string): string {
  return `db/styles/${set}/${name}`;
}

/** Makes the database; `path` must not exist. */
export async function createForum(path: string): Promise<Forum> {
  await writeFile(path, '', { flag: 'wx' });
  const url = `sqlite:${path}`;
  await withStore(url, (store) => store.begin(({ sql }) => fill(sql)));
  const text = (rows: Row[]): string | null => {
    const value = rows[0]?.['text'];
    return value === undefined ? null : value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
  };
  return {
    url,
    editTemplate: (title, template) =>
      withStore(url, (store) =>
        store.begin(async ({ sql }) => {
          await sql`UPDATE mybb_templates SET template = ${template} WHERE sid = ${setId} AND title = ${title}`;
        }),
      ),
    template: (title) =>
      withStore(url, (store) =>
        store.read(async ({ sql }) =>
          text(await sql`SELECT template AS text FROM mybb_templates WHERE sid = ${setId} AND title = ${title}`),
        ),
      ),
    stylesheet: (name) =>
      withStore(url, (store) =>
        store.read(async ({ sql }) =>
          text(await sql`SELECT stylesheet AS text FROM mybb_themestylesheets WHERE tid = ${themeId} AND name = ${name}`),
        ),
      ),
  };
}

async function fill(sql: Sql): Promise<void> {
  // As install/resources/sqlite_db_tables.php of MyBB makes them, without the columns no theme needs.
  await sql`CREATE TABLE mybb_templates (tid INTEGER PRIMARY KEY, title varchar(120) NOT NULL DEFAULT '', template TEXT NOT NULL,
    sid smallint NOT NULL DEFAULT 0, version varchar(20) NOT NULL DEFAULT '0', status varchar(10) NOT NULL DEFAULT '', dateline int NOT NULL DEFAULT 0)`;
  await sql`CREATE TABLE mybb_templatesets (sid INTEGER PRIMARY KEY, title varchar(120) NOT NULL DEFAULT '')`;
  await sql`CREATE TABLE mybb_themes (tid INTEGER PRIMARY KEY, name varchar(100) NOT NULL DEFAULT '', pid smallint NOT NULL DEFAULT 0)`;
  await sql`CREATE TABLE mybb_themestylesheets (sid INTEGER PRIMARY KEY, name varchar(30) NOT NULL DEFAULT '', tid smallint NOT NULL DEFAULT 0,
    attachedto TEXT NOT NULL DEFAULT '', stylesheet TEXT NOT NULL, cachefile varchar(100) NOT NULL DEFAULT '', lastmodified int NOT NULL DEFAULT 0)`;
  await sql`INSERT INTO mybb_templatesets (sid, title) VALUES (${setId}, ${set})`;
  await sql`INSERT INTO mybb_themes (tid, name, pid) VALUES (1, 'MyBB Master Style', 0), (${themeId}, ${set}, 1)`;
  for (const [title, template] of Object.entries(templates)) {
    await sql`INSERT INTO mybb_templates (title, template, sid, version) VALUES (${title}, ${template}, ${setId}, '1839')`;
  }
  for (const [name, stylesheet] of Object.entries(stylesheets)) {
    await sql`INSERT INTO mybb_themestylesheets (name, tid, stylesheet, cachefile) VALUES (${name}, ${themeId}, ${stylesheet}, ${name})`;
  }
}

async function withStore<T>(url: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(url, '/');
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
