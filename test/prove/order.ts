import { posix } from 'node:path';
import type { Call } from './tracing.ts';

/** What was there before the first call, and which paths mean what. */
export interface Place {
  /** Folder below which the files of the items are. */
  root: string;
  stateFolder: string;
  /** Path of the SQLite database with the rows, if it is one. */
  database: string | null;
  /** First digits of the txid of the unfinished batch. */
  pending: string | null;
  /** Whether rows of that batch may be committed, by a process that did not come to wait for the disk. */
  leftRows: boolean;
  /** Files below the root, each with a name of its inode. */
  files: ReadonlyMap<string, string>;
}

export interface Verdict {
  /** Rules that were broken, each with the call that broke it. */
  problems: string[];
  /** How often each rule was looked at. */
  checked: Map<string, number>;
}

interface Inode {
  /** Made by this process. */
  own: boolean;
  names: Set<string>;
  /** Written since it was made durable. */
  dirty: boolean;
  /** An fsync failed: what it then holds nobody knows. */
  lost: boolean;
  /** Read since it is as it is now on the disk. */
  readBack: boolean;
}

const OWN = /\/\.sync-run-([0-9a-f]{8})-\d+\.(?:new|old)$/;
const WRITING = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND/;
/** The plain statement of the MySQL protocol with which only a batch begins. */
const BEGINS_ROWS = /START TRANSACTION$/;

/**
 * Checks that the calls of one run come in an order in which neither a crash nor a power cut can lose anything.
 * That one was done before another means here that it had ended before the other began.
 */
export function lintOrder(calls: readonly Call[], place: Place): Verdict {
  const problems: string[] = [];
  const checked = new Map<string, number>();
  const must = (isSo: boolean, rule: string, call: Pick<Call, 'name' | 'strings' | 'path' | 'start'>): void => {
    checked.set(rule, (checked.get(rule) ?? 0) + 1);
    const about = call.strings.slice(0, 2).join(' ').slice(0, 160) || call.path;
    if (!isSo) problems.push(`${rule}: ${call.name} ${about} (call ${call.start})`);
  };
  const files = inodesOf(place.files);
  const open = new Map<number, { inode: Inode; path: string }>();
  /** Folders below the root with names that are not durable yet. */
  const unsynced = new Set<string>();
  /** Targets that were given new content and were not looked at since. */
  const unseen = new Set<string>();
  const state = { paths: ['state.db', 'state.db-wal'].map((name) => posix.join(place.stateFolder, name)), dirty: false, syncedAt: -1 };
  /** What was written to the state: since it was made durable, and before. */
  const texts = { written: '', durable: '' };
  const rows = { dirty: false, left: place.leftRows };
  let lastPlaced = -1;

  const below = (path: string): boolean => path.startsWith(`${place.root}/`);
  const resolve = (path = ''): string => {
    const [, fd, rest = ''] = /^\/proc\/self\/fd\/(\d+)(?:\/(.*))?$/.exec(path) ?? [];
    const held = fd === undefined ? undefined : open.get(Number(fd));
    return held ? posix.join(held.path, rest) : path;
  };
  const isDatabase = (path: string): boolean => place.database !== null && [place.database, `${place.database}-wal`].includes(path);
  const isKnownFor = (path: string, call: Call): void => {
    const [, txid] = OWN.exec(path) ?? [];
    const isSaid = txid === place.pending ? state.syncedAt >= 0 : texts.durable.includes(txid ?? '');
    if (txid) must(isSaid, 'The intent is durable before the first file of its batch is made', call);
  };
  const name = (path: string, inode: Inode | undefined): void => {
    if (inode) files.set(path, inode);
    inode?.names.add(path);
    unsynced.add(posix.dirname(path));
  };
  const unname = (path: string): void => {
    files.get(path)?.names.delete(path);
    files.delete(path);
    unsynced.add(posix.dirname(path));
  };
  const placed = (from: string, to: string, call: Call): void => {
    must(!state.dirty && texts.durable !== '', 'The intent is durable before the first file is put in place', call);
    lastPlaced = call.end;
    const inode = files.get(from);
    if (!from.endsWith('.new')) return;
    must(inode?.own === true, 'A file is made durable by the process that puts it in place', call);
    must(inode?.dirty === false, 'A file is durable before it gets its name', call);
    must(inode?.readBack === true, 'A file is read back before it gets its name', call);
    unseen.add(to);
  };
  const rowsBegin = (call: Call): void => {
    must(!state.dirty && texts.durable !== '', 'The intent is durable before the first row is written', call);
    const isDurable = [...files].every(([path, inode]) => !OWN.test(path) || !inode.dirty);
    must(isDurable, 'All files are durable before the first row is written', call);
    must(unsynced.size === 0, 'The names of all files are durable before the first row is written', call);
  };

  const onOpen = (call: Call): void => {
    const { fd, path, args, error } = call;
    if (error || fd === null || path === null) return;
    const isMade = args.includes('O_CREAT') && below(path) && !files.has(path);
    const inode = files.get(path) ?? newInode(isMade);
    open.set(fd, { inode, path });
    if (!WRITING.test(args)) return void unseen.delete(path);
    if (below(path)) must(OWN.test(path), 'Below the root only files of its own are opened for writing', call);
    else if (path.startsWith(`${posix.dirname(place.root)}/`)) {
      must(path.startsWith(`${place.stateFolder}/`) || isDatabase(path), 'In the repository only the state is opened for writing', call);
    }
    if (!isMade) return;
    isKnownFor(path, call);
    name(path, inode);
  };
  const onWrite = (call: Call): void => {
    const { fd, path, strings, error } = call;
    if (fd === null || path === null || error) return;
    if (state.paths.includes(path)) {
      must(unsynced.size === 0, 'Names are durable before the state says what became of them', call);
      must(unseen.size === 0, 'What was put in place is looked at again before the state says that it is there', call);
      must(!rows.dirty, 'Rows are durable before the state says that they are there', call);
      state.dirty = true;
      texts.written += strings.join('');
    } else if (isDatabase(path) || strings.some((text) => BEGINS_ROWS.test(text))) {
      rowsBegin(call);
      rows.dirty = isDatabase(path);
    } else if (below(path)) Object.assign(open.get(fd)?.inode ?? {}, { dirty: true, readBack: false });
  };
  const onRead = ({ fd, error }: Call): void => {
    const held = fd === null ? undefined : open.get(fd);
    if (held && !error && !held.inode.dirty) held.inode.readBack = true;
  };
  const onSync = (call: Call): void => {
    const { fd, path, error } = call;
    if (fd === null || path === null) return;
    const held = open.get(fd);
    if (held && below(path)) must(!held.inode.lost, 'What failed to become durable is not tried again', call);
    if (error) return void (held && (held.inode.lost = true));
    unsynced.delete(path);
    if (held) held.inode.dirty = false;
    if (isDatabase(path)) Object.assign(rows, { dirty: false, left: false });
    if (!state.paths.includes(path)) return;
    Object.assign(state, { dirty: false, syncedAt: call.start });
    Object.assign(texts, { durable: texts.durable + texts.written, written: '' });
  };
  const onRename = (call: Call): void => {
    const [from, to] = [resolve(call.strings[0]), resolve(call.strings[1])];
    if (call.error || !below(to)) return;
    if (OWN.test(to)) isKnownFor(to, call);
    placed(from, to, call);
    const [inode, replaced] = [files.get(from), files.get(to)];
    must(!replaced || replaced === inode || replaced.own || replaced.names.size > 1, 'What is replaced is kept under another name', call);
    unname(to);
    unname(from);
    name(to, inode);
  };
  const onLink = (call: Call): void => {
    const [from, to] = [resolve(call.strings[0]), resolve(call.strings[1])];
    if (call.error || !below(to)) return;
    if (OWN.test(to)) isKnownFor(to, call);
    else placed(from, to, call);
    name(to, files.get(from));
  };
  const onUnlink = (call: Call): void => {
    const path = resolve(call.strings[0]);
    if (call.error || !below(path)) return;
    must(OWN.test(path), 'Below the root only names of its own are removed', call);
    const inode = files.get(path);
    const isKept = inode && !inode.own && inode.names.size === 1 && !path.endsWith('.new');
    if (isKept) must(!state.dirty && state.syncedAt > lastPlaced, 'An old file goes only once the batch is recorded durably', call);
    if (isKept) must(!rows.left, 'An old file goes only once the rows are durable', call);
    unname(path);
  };
  const onFolder = (call: Call): void => {
    const path = resolve(call.strings[0]);
    if (call.error || !below(path)) return;
    unsynced.add(posix.dirname(path));
    if (call.name === 'rmdir') unsynced.delete(path);
  };
  const handlers: Record<string, (call: Call) => void> = {
    openat: onOpen,
    close: ({ fd }) => void (fd !== null && open.delete(fd)),
    read: onRead,
    pread64: onRead,
    write: onWrite,
    writev: onWrite,
    pwrite64: onWrite,
    pwritev: onWrite,
    sendmsg: onWrite,
    ftruncate: onWrite,
    fchmod: onWrite,
    fsync: onSync,
    fdatasync: onSync,
    rename: onRename,
    renameat: onRename,
    renameat2: onRename,
    link: onLink,
    linkat: onLink,
    unlink: onUnlink,
    unlinkat: onUnlink,
    mkdir: onFolder,
    mkdirat: onFolder,
    rmdir: onFolder,
  };
  for (const call of calls) handlers[call.name]?.(call);
  const end = { name: 'exit', strings: [...unsynced], path: place.root, start: calls.length };
  must(unsynced.size === 0, 'All names are durable at the end', end);
  must(!state.dirty, 'The state is durable at the end', end);
  must(
    [...files.values()].every(({ own, dirty }) => !own || !dirty),
    'All files are durable at the end',
    end,
  );
  return { problems, checked };
}

function inodesOf(files: ReadonlyMap<string, string>): Map<string, Inode> {
  const byId = new Map<string, Inode>();
  return new Map(
    [...files].map(([path, id]) => {
      const inode = byId.get(id) ?? newInode(false);
      byId.set(id, inode);
      inode.names.add(path);
      return [path, inode];
    }),
  );
}

function newInode(own: boolean): Inode {
  return { own, names: new Set(), dirty: false, lost: false, readBack: false };
}

/** The calls the rules are about. */
export const ORDERED_CALLS = [
  ...'openat close read pread64 write writev pwrite64 pwritev sendmsg ftruncate fchmod fsync fdatasync'.split(' '),
  ...'rename renameat renameat2 link linkat unlink unlinkat mkdir mkdirat rmdir clone clone3'.split(' '),
];
