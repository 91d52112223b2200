// SPDX-License-Identifier: Apache-2.0

/**
 * Directory listings: what READDIR returned, kept while nobody else can change the directory.
 *
 * Invariants: `entries` is never changed in place once handed out: an open directory reads its own snapshot, so offsets are
 *             stable while entries come and go. A record is used once: afterwards the Inode is the truth.
 */
import type { ByteString } from '../../vfs/inode.ts';

export interface ListEntry {
  readonly name: ByteString;
  readonly ino: number;
  readonly dtype: number;
  /** Attributes fetched ahead of use (a copy of 144 bytes), or null. */
  record: Uint8Array | null;
  /** A directory's own listing, fetched ahead of use. */
  ahead?: AheadListing | null;
}

/** A directory's raw entries, the attributes of its subdirectories (or of all entries) in order, and their listings as far as they were fetched. */
export interface AheadListing {
  readonly raw: Uint8Array;
  readonly records: Uint8Array;
  readonly describesAll: boolean;
  readonly below: Map<ByteString, AheadListing>;
}

const WINDOW_START = 8;
const WINDOW_MAX = 256;
const DT_DIR = 4;
/** Subdirectories named in one request to list ahead. */
const AHEAD_NAMES = 32;

/** Appends the entries of raw linux_dirent64 records, "." and ".." left out. False when the bytes are malformed. */
export function parseDirents(raw: Uint8Array, out: ListEntry[]): boolean {
  const buf = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  let at = 0;
  while (at < buf.length) {
    if (at + 20 > buf.length) return false;
    const length = buf.readUInt16LE(at + 16);
    if (length < 20 || at + length > buf.length) return false;
    const end = buf.indexOf(0, at + 19);
    if (end < 0 || end >= at + length) return false;
    const name = buf.toString('latin1', at + 19, end);
    if (name !== '.' && name !== '..') {
      const ino = buf.readUInt32LE(at) + buf.readUInt32LE(at + 4) * 0x100000000;
      out.push({ name, ino, dtype: buf[at + 18] as number, record: null });
    }
    at += length;
  }
  return true;
}

export class Listing {
  private list: ListEntry[];
  private isShared = false;
  /** Position in `list` by name; null until asked for. */
  private index: Map<ByteString, number> | null = null;
  private window = WINDOW_START;
  private onlyDirectories = true;
  private removedCount = 0;

  constructor(list: ListEntry[]) {
    this.list = list;
  }

  get size(): number {
    return this.list.length - this.removedCount;
  }

  /** The entries in order, for an open directory to keep. */
  snapshot(): readonly ListEntry[] {
    this.compact();
    this.isShared = true;
    return this.list;
  }

  find(name: ByteString): ListEntry | undefined {
    const at = this.indexed().get(name);
    return at === undefined ? undefined : this.list[at];
  }

  add(entry: ListEntry): void {
    const index = this.indexed();
    const at = index.get(entry.name);
    this.own();
    if (at !== undefined) {
      this.list[at] = entry;
      return;
    }
    index.set(entry.name, this.list.length);
    this.list.push(entry);
  }

  remove(name: ByteString): void {
    const index = this.indexed();
    if (!index.delete(name)) return;
    // The entry stays in the list until it is next looked at as a whole.
    this.removedCount++;
    if (this.removedCount > 64 && this.removedCount * 2 > this.list.length) this.compact();
  }

  /** Names to fetch attributes for when `name`'s are wanted: it and the ones likely to follow. */
  prefetchNames(name: ByteString, max: number): ListEntry[] {
    const index = this.indexed();
    const start = index.get(name) as number;
    const first = this.list[start] as ListEntry;
    if (first.dtype !== DT_DIR) this.onlyDirectories = false;
    const want = Math.min(this.window, max);
    this.window = Math.min(this.window * 2, WINDOW_MAX);
    const out: ListEntry[] = [first];
    const scanEnd = Math.min(this.list.length, start + want * 8);
    for (let i = start + 1; i < scanEnd && out.length < want; i++) {
      const entry = this.list[i] as ListEntry;
      if (entry.record !== null || (this.onlyDirectories && entry.dtype !== DT_DIR)) continue;
      if (this.removedCount === 0 || index.get(entry.name) === i) out.push(entry);
    }
    return out;
  }

  /** Subdirectories to list together when `name` is to be listed: it and the next ones that are not listed yet. */
  namesAhead(name: ByteString): ByteString[] {
    const start = this.indexed().get(name);
    const out: ByteString[] = [];
    if (start === undefined) return out;
    for (let i = start; i < this.list.length && out.length < AHEAD_NAMES; i++) {
      const entry = this.list[i] as ListEntry;
      if (entry.dtype === DT_DIR && !entry.ahead && (this.removedCount === 0 || this.index?.get(entry.name) === i))
        out.push(entry.name);
    }
    return out;
  }

  private indexed(): Map<ByteString, number> {
    if (this.index === null) {
      const index = new Map<ByteString, number>();
      for (let i = 0; i < this.list.length; i++) index.set((this.list[i] as ListEntry).name, i);
      this.index = index;
    }
    return this.index;
  }

  private own(): void {
    if (!this.isShared) return;
    this.list = this.list.slice();
    this.isShared = false;
  }

  private compact(): void {
    if (this.removedCount === 0) return;
    const index = this.indexed();
    this.list = this.list.filter((entry, i) => index.get(entry.name) === i);
    this.isShared = false;
    this.index = null;
    this.removedCount = 0;
  }
}
