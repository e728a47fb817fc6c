import { type Forum, stylesheetPath, stylesheets, templatePath, templates } from './forum.ts';
import type { Scratch } from './scratch.ts';
import type { Stage } from './stage.ts';

/** The whole story, each step checked on the bytes of both sides. */
export async function playStory(stage: Stage, scratch: Scratch, forum: Forum): Promise<void> {
  await firstExport(stage, scratch, forum);
  await editFile(stage, scratch, forum);
  await editRow(stage, scratch, forum);
  await switchBranch(stage, scratch, forum);
  await conflict(stage, scratch, forum);
  await takeBack(stage, scratch, forum);
  stage.title('And so both sides are the same again');
  await stage.syncRun(['status', '--check']);
  await stage.syncRun(['verify']);
}

async function firstExport(stage: Stage, scratch: Scratch, forum: Forum): Promise<void> {
  stage.title('A forum keeps its theme in a database; the first run makes files of it');
  await stage.syncRun(['init', '--yes', '--preset', 'mybb', '--url', forum.url]);
  for (const title of Object.keys(templates))
    same(templatePath(title), await scratch.read(templatePath(title)), await forum.template(title));
  for (const name of Object.keys(stylesheets))
    same(stylesheetPath(name), await scratch.read(stylesheetPath(name)), await forum.stylesheet(name));
  stage.expect('every file holds the bytes of its row', await scratch.read(templatePath('header')), templates.header);
  await commitAll(stage, 'Put the theme under version control');

  function same(path: string, file: string, row: string | null): void {
    if (file !== row) stage.expect(path, file, row);
  }
}

async function editFile(stage: Stage, scratch: Scratch, forum: Forum): Promise<void> {
  stage.title('An edit in an editor reaches the row');
  const path = templatePath('header');
  const text = (await scratch.read(path)).replace('The Harbour', 'The Old Harbour');
  await scratch.write(path, text);
  stage.tell(`"${path}" now says "The Old Harbour"`);
  await stage.syncRun(['sync']);
  stage.expect('the row holds what the file holds', await forum.template('header'), text);
  await commitAll(stage, 'Rename the harbour');
}

async function editRow(stage: Stage, scratch: Scratch, forum: Forum): Promise<void> {
  stage.title('An edit in the admin panel reaches the file');
  const text = templates.postbit!.replace('<article', '<article class="letter"');
  await forum.editTemplate('postbit', text);
  stage.tell("UPDATE mybb_templates SET template = … WHERE title = 'postbit'");
  await stage.syncRun(['sync']);
  stage.expect('the file holds what the row holds', await scratch.read(templatePath('postbit')), text);
  await commitAll(stage, 'Take over what was edited in the admin panel');
}

async function switchBranch(stage: Stage, scratch: Scratch, forum: Forum): Promise<void> {
  stage.title('The rows follow the branch');
  const path = stylesheetPath('global.css');
  const summer = await scratch.read(path);
  const winter = summer.replace('#f4f1ea', '#e8eef2');
  await stage.git('switch', '--quiet', '--create', 'winter');
  await scratch.write(path, winter);
  stage.tell('The page is blue on this branch; the hooks of git do the rest');
  await commitAll(stage, 'Dress for winter');
  stage.expect('on "winter" the row is the winter one', await forum.stylesheet('global.css'), winter);
  await stage.git('switch', '--quiet', 'main');
  stage.expect('on "main" the row is the old one again', await forum.stylesheet('global.css'), summer);
}

async function conflict(stage: Stage, scratch: Scratch, forum: Forum): Promise<void> {
  stage.title('Two edits of the same text: nothing is overwritten');
  const path = templatePath('footer');
  const old = templates.footer!;
  const inFile = old.replace('Boats come and go', 'Boats come, go and stay');
  const inRow = old.replace('Mind the gap', 'Mind the tide');
  await scratch.write(path, inFile);
  await forum.editTemplate('footer', inRow);
  stage.tell('The file and the row of "footer" are both edited, each in another line');
  await stage.syncRun(['sync'], 1);
  stage.expect('the file is as it was edited', await scratch.read(path), inFile);
  stage.expect('so is the row', await forum.template('footer'), inRow);
  await stage.syncRun(['diff', path]);
  await stage.syncRun(['resolve', '--merge', path]);
  const merged = inFile.replace('Mind the gap', 'Mind the tide');
  stage.expect('the file has both edits', await scratch.read(path), merged);
  stage.expect('and the row too', await forum.template('footer'), merged);
  await commitAll(stage, 'Merge both edits of the footer');
}

async function takeBack(stage: Stage, scratch: Scratch, forum: Forum): Promise<void> {
  stage.title('What a run wrote can be taken back');
  const path = templatePath('showthread');
  const before = await scratch.read(path);
  await scratch.write(path, '<h1>Oops</h1>\n');
  await stage.syncRun(['sync']);
  stage.expect('the mistake has reached the row', await forum.template('showthread'), '<h1>Oops</h1>\n');
  await stage.syncRun(['undo']);
  stage.expect('the row is what it was', await forum.template('showthread'), before);
  await stage.git('restore', path);
  await stage.syncRun(['log']);
}

async function commitAll(stage: Stage, message: string): Promise<void> {
  await stage.git('add', '--all');
  await stage.git('commit', '--quiet', '--message', message);
}
