import type { Disk } from './disk.ts';
import { confirmShare, type Placed, type PlaceShare, putInPlaceShare, takeAwayShare } from './place-share.ts';
import { type SeeShare, type Seen, seeShare } from './see-share.ts';
import { type ClearShare, clearShare, type DiscardShare, discardShare } from './settle-share.ts';
import { type Staged, type StageShare, stageShare } from './stage-share.ts';

/** What goes into each task and what comes out of it: plain data, bytes and errors, so that it may cross threads. */
interface Work {
  stage: [StageShare, Staged];
  takeAway: [PlaceShare, Placed];
  putInPlace: [PlaceShare, Placed];
  confirm: [PlaceShare, Placed];
  clear: [ClearShare, Error[]];
  discard: [DiscardShare, { left: string[]; failures: Error[] }];
  see: [SeeShare, Seen];
}

export type TaskName = keyof Work;
export type ShareOf<N extends TaskName> = Work[N][0];
export type ResultOf<N extends TaskName> = Work[N][1];

/** All that is done to many files, each for files of one directory. */
export const tasks: { [N in TaskName]: (disk: Disk, share: ShareOf<N>) => Promise<ResultOf<N>> } = {
  stage: stageShare,
  takeAway: takeAwayShare,
  putInPlace: putInPlaceShare,
  confirm: confirmShare,
  clear: clearShare,
  discard: discardShare,
  see: seeShare,
};
