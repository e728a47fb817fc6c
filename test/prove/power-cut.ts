import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Pages } from '../crash/pages.ts';
import { type RunOptions, type Said, startRun } from '../crash/rig.ts';
import type { Cut, LoopDisk } from './loop-disk.ts';

/** In place of a step: the moment a run has told of its success, before it closes anything. */
export const TOLD = 0;

export type Kill = (options: RunOptions) => Promise<Said | null>;

/** A project on a disk, and how that loses its power. */
export interface Cell {
  t: TestContext;
  project: Pages;
  disk: LoopDisk;
  how: Cut;
}

/** Cuts the power before the step `killAt` of a run, or once it has told how it ended. */
export function powerCut(project: Pages, disk: LoopDisk, how: Cut): Kill {
  return async (options) => {
    await disk.flush();
    const child = await startRun(project, { ...options, killAt: 0, pauseAt: options.killAt ?? TOLD, pauseAtEnd: true });
    try {
      const said = child.go();
      await child.paused();
      await disk.cut(how);
      child.kill();
      return await said;
    } finally {
      child.kill();
      await child.ended;
      await disk.replug();
    }
  };
}

/** Pulls the disk from under a run that goes on: if it then tells of success, that has to be true. */
export function pulledOut(project: Pages, disk: LoopDisk, how: Cut): Kill {
  return async (options) => {
    await disk.flush();
    const child = await startRun(project, { ...options, killAt: 0, pauseAt: options.killAt ?? TOLD });
    try {
      const said = child.go();
      await child.paused();
      await disk.cut(how);
      child.resume();
      const heard = await said;
      assert.notEqual(heard?.exit, 70, `the run ends with an error that is not its own: ${heard?.message}`);
      assert.notEqual(heard?.code, 'STATE', `a disk that fails is not taken for a corrupt state: ${heard?.message}`);
      // What is not done has to be named.
      return heard?.exit === 0 && heard.report?.skipped.length === 0 ? heard : null;
    } finally {
      child.kill();
      await child.ended;
      await disk.replug();
    }
  };
}
