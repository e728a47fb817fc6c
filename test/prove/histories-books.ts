import assert from 'node:assert/strict';
import { digest } from '../../src/core/digest.ts';
import type { State } from '../../src/state/state.ts';
import { type Sides, slugOf } from './histories-world.ts';

/** What a step of the tool was, as far as the books care. */
export interface Done {
  /** It was told which side counts, or to take something back. */
  isTold: boolean;
  /** The process ended in the middle of it. */
  crashed: boolean;
  /** Somebody edited in the middle of it. */
  disturbed: boolean;
}

/**
 * The model: which texts a working tree and the database have shown to each other, and which only the history may still have.
 * It knows nothing of how the tool decides.
 */
export interface Books {
  /** Before the tool does something. */
  open(before: Sides): void;
  /** What somebody replaced or deleted with open eyes is no longer the tool's to keep. */
  given(before: Sides, after: Sides): void;
  /** A text that appeared while the tool was at work. */
  appeared(before: Sides, after: Sides): void;
  close(before: Sides, now: Sides, done: Done): Promise<void>;
  /** Keys or paths moved: texts of an item are no longer found under one name. */
  moved(): void;
  /** Whether none did. */
  isStill(): boolean;
  /** What was agreed with another database is no agreement with this one. */
  forget(): void;
}

const sides = ['file', 'row'] as const;

export function createBooks(state: () => State): Books {
  /** Texts both sides have had: the tool may replace them. */
  const agreed = new Set<string>(['']);
  /** By item, what both sides had last. */
  const last = new Map<string, string>();
  /** What stood on each side since the tool last ended well. */
  const atRisk = { file: new Set<string>(), row: new Set<string>() };
  /** What is on neither side any more. */
  const gone = new Set<string>();
  let isMoved = false;
  let afterCrash = false;
  let told = false;
  /** What came to a side in the middle of this run. */
  let fresh = { file: new Set<string>(), row: new Set<string>() };
  /** What stood on a side when a run crashed: the one that ends its batch brings that, and may replace it at once. */
  const passing = { file: new Set<string>(), row: new Set<string>() };
  let opened: Sides | null = null;

  const lost = async (now: Sides): Promise<void> => {
    const present = new Set([...now.file.values(), ...now.row.values(), '']);
    for (const text of [...atRisk.file, ...atRisk.row]) gone.add(text);
    for (const text of gone) if (present.has(text)) gone.delete(text);
    const kept = await state().blobs([...gone].map((text) => digest(Buffer.from(text))));
    for (const text of gone)
      assert.ok(kept.has(digest(Buffer.from(text))), `The text ${JSON.stringify(text)} is lost: it is on no side and not in the history`);
  };

  /** What the tool brought from one side to the other, both have seen. */
  const carried = (before: Sides, now: Sides): void => {
    for (const side of sides) {
      const other = side === 'file' ? 'row' : 'file';
      const had = new Set(before[side].values());
      const there = new Set([...before[other].values(), ...fresh[other], ...passing[other]]);
      for (const [name, text] of now[side]) {
        if (!there.has(text) || had.has(text)) continue;
        agreed.add(text);
        last.set(slugOf(name), text);
      }
    }
  };

  const unseen = (now: Sides): void => {
    for (const side of sides) {
      const still = new Set(now[side].values());
      for (const text of atRisk[side])
        assert.ok(
          still.has(text) || agreed.has(text),
          `The text ${JSON.stringify(text)} of a ${side} was replaced unseen: nobody had settled it`,
        );
    }
  };

  /** The three-way rule itself, where nothing moved: both changed and differ, so both stay. */
  const undecided = (before: Sides, now: Sides): void => {
    const files = Map.groupBy(before.file, ([path]) => slugOf(path));
    for (const [slug, found] of files) {
      const [file, row, base] = [found[0]?.[1], before.row.get(slug), last.get(slug)];
      if (found.length > 1 || file === undefined || row === undefined || base === undefined) continue;
      if (file === row || file === base || row === base) continue;
      const stay = [...now.file.values()].includes(file) && now.row.get(slug) === row;
      assert.ok(stay, `The item "${slug}" was changed on both sides, and one was replaced: ${JSON.stringify({ file, row, base })}`);
    }
  };

  return {
    open(before) {
      opened = before;
      fresh = { file: new Set(), row: new Set() };
      for (const side of sides) for (const text of before[side].values()) atRisk[side].add(text);
    },
    given(before, after) {
      for (const side of sides) {
        const still = new Set(after[side].values());
        for (const text of before[side].values()) if (!still.has(text)) atRisk[side].delete(text);
      }
    },
    appeared(before, after) {
      // The tool works on while somebody edits: what it brought by the second look is no edit.
      for (const seen of [before, after]) if (opened) carried(opened, seen);
      this.given(before, after);
      for (const side of sides) {
        const had = new Set(before[side].values());
        for (const text of after[side].values()) {
          if (had.has(text)) continue;
          fresh[side].add(text);
          atRisk[side].add(text);
        }
        // What the tool had written by then was there as well.
        for (const text of before[side].values()) fresh[side].add(text);
      }
    },
    async close(before, now, { isTold, crashed, disturbed }) {
      carried(before, now);
      if (crashed) {
        afterCrash = true;
        for (const side of sides) for (const text of [...before[side].values(), ...fresh[side]]) passing[side].add(text);
        told ||= isTold;
        return;
      }
      await lost(now);
      if (!isTold && !told) unseen(now);
      if (!isTold && !told && !afterCrash && !disturbed && !isMoved) undecided(before, now);
      for (const [path, text] of now.file) {
        if (now.row.get(slugOf(path)) !== text) continue;
        agreed.add(text);
        last.set(slugOf(path), text);
      }
      for (const slug of last.keys())
        if (!now.row.has(slug) && ![...now.file.keys()].some((path) => slugOf(path) === slug)) last.delete(slug);
      for (const side of sides) atRisk[side].clear();
      afterCrash = told = false;
    },
    moved() {
      isMoved = true;
    },
    isStill: () => !isMoved,
    forget() {
      for (const side of sides) {
        for (const text of atRisk[side]) {
          if (!agreed.has(text)) continue;
          atRisk[side].delete(text);
          gone.add(text);
        }
      }
      for (const side of sides) passing[side].clear();
      agreed.clear();
      agreed.add('');
      last.clear();
    },
  };
}
