import { join } from 'node:path';
import type { Call, Result } from '../call.ts';
import { createForum } from '../demo/forum.ts';
import { createScratch } from '../demo/scratch.ts';
import { createStage, StepFailed } from '../demo/stage.ts';
import { playStory } from '../demo/story.ts';
import type { Style } from '../render/style.ts';

/** Plays the whole story in a scratch repository; a step that does not hold ends it with exit code 1 and leaves everything to look at. */
export async function demoCommand({ terminal, options, style, say }: Call<{ keep?: boolean }>): Promise<Result> {
  const scratch = await createScratch(terminal);
  let keep = options.keep ?? false;
  try {
    say(`A scratch repository: ${scratch.top}`);
    const forum = await createForum(join(scratch.area, 'forum.db'));
    await playStory(createStage(scratch, style, say), scratch, forum);
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    keep = true;
    terminal.err(`${style.error('This step did not hold:')} ${error.message}\nEverything is left to look at in ${scratch.area}\n`);
    return { exit: 1 };
  } finally {
    if (!keep) await scratch.remove();
  }
  return { exit: 0, text: closing(keep ? scratch.top : null, style) };
}

function closing(kept: string | null, style: Style): string {
  return `
${style.good('Every step held.')} ${kept === null ? 'The scratch repository is gone.' : `Look around in ${kept}`}
Next, in a repository of your own:
  ${style.code('npx sync-run init --preset mybb')}   for MyBB 1.8, or write sync-run.config.json first
  ${style.code('npx sync-run status')}               what is ahead where
  ${style.code('npx sync-run --help')}               everything else
`;
}
