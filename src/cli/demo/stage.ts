import type { Style } from '../render/style.ts';
import type { Outcome, Scratch } from './scratch.ts';

/** A step did not come out as the story says. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

/** Plays commands and shows them as they would be typed. */
export interface Stage {
  title(text: string): void;
  tell(text: string): void;
  /** Runs `sync-run` and shows what it says; the step fails unless it exits with `code`. */
  syncRun(args: string[], code?: number): Promise<Outcome>;
  git(...args: string[]): Promise<void>;
  /** The step fails unless both are equal. */
  expect(what: string, actual: unknown, wanted: unknown): void;
}

export function createStage(scratch: Scratch, style: Style, say: (line: string) => void): Stage {
  let step = 0;
  const show = (program: string, args: readonly string[], output: string): void => {
    say(`  ${style.code(`$ ${[program, ...args].map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)).join(' ')}`)}`);
    if (output.trim() !== '') say(output.trimEnd().replace(/^/gm, '    '));
  };
  return {
    title: (text) => say(`\n${style.strong(`${++step}. ${text}`)}`),
    tell: (text) => say(`  ${text}`),
    async syncRun(args, code = 0) {
      const outcome = await scratch.syncRun(...args);
      show('sync-run', args, outcome.output);
      if (outcome.code !== code)
        throw new StepFailed(`"sync-run ${args.join(' ')}" ended with exit code ${outcome.code} instead of ${code}`);
      return outcome;
    },
    async git(...args) {
      const { code, output } = await scratch.git(...args);
      show('git', args, output);
      if (code !== 0) throw new StepFailed(`"git ${args.join(' ')}" ended with exit code ${code}`);
    },
    expect(what, actual, wanted) {
      if (actual !== wanted) throw new StepFailed(`${what}: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(actual)}`);
      say(`  ${style.good('ok')} ${what}`);
    },
  };
}
