import { homedir, platform, tmpdir, userInfo } from 'node:os';
import type { Surroundings } from '../runner/socket-path.ts';
import type { Terminal } from './terminal.ts';

/** Where the runner's socket may go, from the environment of this process. */
export function surroundingsOf({ env }: Pick<Terminal, 'env'>): Surroundings {
  const { uid } = userInfo();
  return {
    platform: platform(),
    uid: uid < 0 ? null : uid,
    runtimeDir: env.XDG_RUNTIME_DIR,
    home: env.HOME ?? homedir(),
    tmpdir: tmpdir(),
  };
}
