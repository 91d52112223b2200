// SPDX-License-Identifier: Apache-2.0

/**
 * What a GoferInode that is a directory does with its names: find, make, remove, move, list.
 *
 * Invariants: every reply about a change carries the directory's new attributes, so the cache needs no second call. In an
 *             exclusive filesystem a known listing answers lookups, also negative ones, and is kept up to date.
 */
import { ENOENT, ENOTDIR, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { modeToDtype, S_IFDIR, S_IFMT } from '../../../platform/abi/linux/stat.ts';
import { attrMode, isAttrRecord } from '../../../gofer/protocol/attr.ts';
import type { WireValue } from '../../../gofer/protocol/codec.ts';
import * as c from '../../../gofer/protocol/constants.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { GoferInode } from './gofer_inode.ts';
import { type AheadListing, type ListEntry, Listing, parseDirents } from './listing.ts';

const RENAME_EXCHANGE = 2;
/** Lookups in one directory after which its whole listing is fetched. */
const LIST_AFTER = 12;
/** st_size up to which a directory is small enough for that. */
const LIST_MAX_SIZE = 65536;
const DT_DIR = 4;
/** Subdirectories of listed directories listed one by one before whole trees are fetched. */
const TREE_AFTER = 3;
/** Files looked up in listed directories since the last tree was fetched that say the walk wants all attributes. */
const FILES_AFTER = 8;
/** Files of a listed directory looked up one by one before attributes are fetched for many. */
const SINGLE_LOOKUPS = 3;

/** Finds a child. Errors: ENOENT, ENOTDIR, EIO. */
export function lookupChild(dir: GoferInode, name: ByteString): GoferInode | Errno {
  if (!dir.fs.isExclusive) return walkOne(dir, name);
  const ahead = dir.ahead?.get(name);
  if (ahead === null) return ENOENT;
  if (ahead !== undefined) {
    dir.ahead?.delete(name);
    if (dir.fs.known(ahead.key) === ahead) return ahead;
  }
  if (dir.listing === null && ++dir.missCount > LIST_AFTER && dir.size <= LIST_MAX_SIZE) loadListing(dir);
  return dir.listing === null ? walkOne(dir, name) : lookupListed(dir, dir.listing, name);
}

/** Finds a child by a call. */
function walkOne(dir: GoferInode, name: ByteString): GoferInode | Errno {
  const from = dir.address();
  if (isErrno(from)) return from;
  const flags = dir.fs.isExclusive ? aheadFlags(dir) : c.WALK_CONTROL;
  const reply = dir.fs.connection.call(c.WALK, [from[0], [...from[1], name], flags]);
  if (isErrno(reply)) return reply;
  const [, , control, records, stopped] = reply;
  if (typeof control !== 'number' || !(records instanceof Uint8Array) || typeof stopped !== 'number')
    return dir.fs.connection.malformed();
  if (records.length !== (from[1].length + 1) * c.ATTR_SIZE) {
    if (control !== 0) dir.fs.connection.forget(control);
    if (records.length === from[1].length * c.ATTR_SIZE) adoptListing(dir, stopped, reply[5]);
    // A walk that stopped above the directory means the directory itself is gone.
    if (stopped >= 0) return dir.fs.connection.malformed();
    return stopped === ENOTDIR ? ENOENT : (stopped as Errno);
  }
  const child = dir.fs.inodeFor(dir.fs.decode(records, records.length - c.ATTR_SIZE), dir, name);
  child.setControl(control);
  if (dir.fs.isExclusive) child.adoptAhead(reply[5]);
  else dir.fs.fresh.learnt(child);
  return child;
}

/** What a walk in an exclusive filesystem asks for besides attributes. */
function aheadFlags(dir: GoferInode): number {
  return c.WALK_AHEAD | (dir.listing === null ? c.WALK_LISTING : 0);
}

/** A walk ended because a name is missing in `dir`; the listing that came says what else is (not) there. */
function adoptListing(dir: GoferInode, stopped: unknown, raw: unknown): void {
  if (stopped !== ENOENT || !(raw instanceof Uint8Array) || dir.listing !== null) return;
  const entries: ListEntry[] = [];
  if (parseDirents(raw, entries)) setListing(dir, new Listing(entries));
}

/** Finds a child of a directory whose listing is known, fetching attributes of likely next ones with it. */
function lookupListed(dir: GoferInode, listing: Listing, name: ByteString): GoferInode | Errno {
  const entry = listing.find(name);
  if (entry === undefined) return ENOENT;
  if (entry.dtype !== DT_DIR && dir.fs.fileLookups < 64) dir.fs.fileLookups++;
  // The first files looked up in a directory are likely to be opened; only many lookups are a listing with attributes.
  if (entry.record === null && entry.dtype !== DT_DIR && ++dir.singleLookups <= SINGLE_LOOKUPS)
    return walkOne(dir, name);
  if (entry.record === null) {
    const err = fetchRecords(dir, listing.prefetchNames(name, c.BATCH_MAX));
    if (err < 0) return err as Errno;
  }
  const record = entry.record as Uint8Array | null;
  entry.record = null;
  if (record === null) return walkOne(dir, name);
  const attr = dir.fs.decode(record, 0);
  const known = dir.fs.known(attr.key);
  if (known?.isSameFile(attr)) {
    known.setPlace(dir, name);
    return known;
  }
  // A file of several names may have changed through another one since.
  if (attr.nlink > 1 && (attr.mode & S_IFMT) !== S_IFDIR) return walkOne(dir, name);
  return dir.fs.inodeFor(attr, dir, name);
}

/** Fills the records of `entries` by one call; entries that failed stay without. */
function fetchRecords(dir: GoferInode, entries: readonly ListEntry[]): number {
  const reply = dir.callOn(c.STAT_MANY, [entries.map((entry) => entry.name)]);
  if (isErrno(reply)) return reply;
  const records = reply[2];
  if (!(records instanceof Uint8Array) || records.length !== entries.length * c.ATTR_SIZE)
    return dir.fs.connection.malformed();
  for (let i = 0; i < entries.length; i++) {
    if (attrMode(records, i * c.ATTR_SIZE) === 0) continue;
    (entries[i] as ListEntry).record = Uint8Array.prototype.slice.call(records, i * c.ATTR_SIZE, (i + 1) * c.ATTR_SIZE);
  }
  return 0;
}

/**
 * Walks several components in one call and keeps what was found for the lookups that follow. Only a hint: errors show when a
 * lookup asks. Stops at the first component that is not a directory.
 */
export function walkAhead(dir: GoferInode, names: readonly ByteString[]): void {
  if (!dir.fs.isExclusive) {
    walkFresh(dir, names);
    return;
  }
  if (dir.listing !== null || names.length < 2 || names.length > c.NAMES_MAX / 2) return;
  if (dir.ahead?.has(names[0] as ByteString)) return;
  const from = dir.address();
  if (isErrno(from) || from[1].length + names.length > c.NAMES_MAX) return;
  for (const name of names) if (name.length > c.NAME_MAX) return;
  const reply = dir.fs.connection.call(c.WALK, [from[0], [...from[1], ...names], c.WALK_AHEAD | c.WALK_LISTING]);
  if (isErrno(reply) || !(reply[3] instanceof Uint8Array)) return;
  const records = reply[3];
  let at = dir;
  for (let i = 0; i < names.length; i++) {
    const offset = (from[1].length + i) * c.ATTR_SIZE;
    const name = names[i] as ByteString;
    const isThere = offset + c.ATTR_SIZE <= records.length;
    if (!isThere && reply[4] !== ENOENT) {
      if (i > 0) at.adoptAhead(reply[5]);
      return;
    }
    if (at.ahead === null) at.ahead = new Map();
    else if (at.ahead.size >= 32) dropAhead(at, at.ahead);
    if (!isThere) {
      at.ahead.set(name, null);
      adoptListing(at, ENOENT, reply[5]);
      return;
    }
    const child = dir.fs.inodeFor(dir.fs.decode(records, offset), at, name);
    at.ahead.set(name, child);
    at = child;
  }
  at.adoptAhead(reply[5]);
}

/** Shared filesystems: asks about a whole path at once. */
function walkFresh(dir: GoferInode, names: readonly ByteString[]): void {
  const { fresh } = dir.fs;
  if (names.length < 2 || fresh.knows(dir, names[0] as ByteString)) return;
  const from = dir.address();
  if (isErrno(from) || from[1].length > 0 || names.length > c.NAMES_MAX) return;
  for (const name of names) if (name.length > c.NAME_MAX) return;
  const reply = dir.fs.connection.call(c.WALK, [from[0], names, 0]);
  if (isErrno(reply) || !(reply[3] instanceof Uint8Array)) return;
  fresh.remember(dir, names, reply[3]);
}

/** Lets go of what was walked ahead and never looked up. */
export function dropAhead(dir: GoferInode, ahead: Map<ByteString, GoferInode | null>): void {
  dir.ahead = null;
  for (const child of ahead.values())
    if (child !== null && child.dentryCount === 0 && child.openCount === 0) child.evict();
  ahead.clear();
  dir.ahead = ahead;
}

/** Shared filesystems: is `child` still what `name` names? Takes over its attributes if so. */
export function confirmChild(dir: GoferInode, name: ByteString, child: GoferInode): boolean {
  const { fresh } = dir.fs;
  if (fresh.knows(dir, name)) {
    const told = fresh.take(dir);
    if (told.key !== child.key || !child.isSameFile(told)) return false;
    child.applyAttr(told);
    fresh.confirmed(child);
    return true;
  }
  const from = dir.address();
  if (isErrno(from)) return false;
  const reply = dir.fs.connection.call(c.WALK, [from[0], [...from[1], name], 0]);
  if (isErrno(reply)) return false;
  const records = reply[3];
  if (!(records instanceof Uint8Array) || records.length !== (from[1].length + 1) * c.ATTR_SIZE) return false;
  const attr = dir.fs.decode(records, records.length - c.ATTR_SIZE);
  if (attr.key !== child.key || !child.isSameFile(attr)) return false;
  child.applyAttr(attr);
  fresh.learnt(child);
  return true;
}

/** Fetches all entries of a directory. Returns them or errno. */
export function fetchEntries(dir: GoferInode): ListEntry[] | Errno {
  const entries: ListEntry[] = [];
  let stream = 0;
  do {
    const reply = dir.callOn(c.READDIR, [stream]);
    if (isErrno(reply)) return reply;
    const [, , control, next, raw] = reply;
    if (typeof control !== 'number' || typeof next !== 'number' || !(raw instanceof Uint8Array))
      return dir.fs.connection.malformed();
    if (stream === 0) dir.setControl(control);
    if (!parseDirents(raw, entries)) return dir.fs.connection.malformed();
    stream = next;
  } while (stream !== 0);
  return entries;
}

/** Makes sure the listing of an exclusive directory is there. Returns it or errno. */
export function loadListing(dir: GoferInode): Listing | Errno {
  if (dir.listing !== null) return dir.listing;
  let entries = takeAhead(dir);
  if (entries === null) {
    const fetched = fetchEntries(dir);
    if (isErrno(fetched)) return fetched;
    entries = fetched;
  }
  setListing(dir, new Listing(entries));
  return dir.listing as unknown as Listing;
}

/** The entries of a directory as fetched before it was asked for (or now, while a tree is walked), or null. */
function takeAhead(dir: GoferInode): ListEntry[] | null {
  const { parent, fs } = dir;
  const siblings = parent?.listing;
  if (!parent || !siblings) {
    fs.treeSteps = 0;
    return null;
  }
  const entry = siblings.find(dir.name);
  if (entry === undefined) return null;
  if (!entry.ahead && ++fs.treeSteps > TREE_AFTER) fetchTree(parent, siblings, dir.name);
  if (!entry.ahead) return null;
  const { raw, records, below, describesAll } = entry.ahead;
  entry.ahead = null;
  const entries: ListEntry[] = [];
  if (!parseDirents(raw, entries)) return null;
  let at = 0;
  for (const child of entries) {
    if (child.dtype !== DT_DIR && !describesAll) continue;
    if (at + c.ATTR_SIZE <= records.length && attrMode(records, at) !== 0) {
      child.record = Uint8Array.prototype.slice.call(records, at, at + c.ATTR_SIZE);
    }
    at += c.ATTR_SIZE;
    if (child.dtype === DT_DIR) child.ahead = below.get(child.name) ?? null;
  }
  return entries;
}

/** Lists subdirectory `name` of `parent`, the next ones and what is below them, in one call. */
function fetchTree(parent: GoferInode, siblings: Listing, name: ByteString): void {
  const { fs } = parent;
  const names = siblings.namesAhead(name);
  // A walk that looks at files too (ls -lR, du, tar) gets their attributes with the listings.
  const describesAll = fs.fileLookups >= FILES_AFTER;
  fs.fileLookups >>= 1;
  const reply = parent.callOn(c.READDIR_TREE, [names, fs.treeBudget, describesAll ? 1 : 0]);
  fs.treeBudget = Math.min(fs.treeBudget * 2, c.TREE_BYTES_MAX);
  if (isErrno(reply) || !Array.isArray(reply[2])) return;
  const listed: (AheadListing | null)[] = [];
  for (const item of reply[2] as unknown[]) {
    listed.push(null);
    if (!Array.isArray(item)) return;
    const [above, itemName, raw, records] = item as unknown[];
    if (typeof above !== 'number' || typeof itemName !== 'string') return;
    if (!(raw instanceof Uint8Array) || !(records instanceof Uint8Array)) return;
    const ahead: AheadListing = { raw, records, describesAll, below: new Map() };
    listed[listed.length - 1] = ahead;
    const holder = above < 0 ? siblings.find(itemName) : undefined;
    if (holder !== undefined) holder.ahead = ahead;
    else if (above >= 0) listed[above]?.below.set(itemName, ahead);
  }
  fs.hasAhead = true;
}

/** `dir` or something in it changes: what was fetched ahead about it, with any directory above, is out of date. */
export function forgetAhead(dir: GoferInode | null): void {
  if (dir === null || !dir.fs.hasAhead) return;
  for (let at = dir; at.parent !== null; at = at.parent) {
    const entry = at.parent.listing?.find(at.name);
    if (entry?.ahead) entry.ahead = null;
  }
}

function setListing(dir: GoferInode, listing: Listing): void {
  dir.listing = listing;
  if (dir.ahead !== null) dropAhead(dir, dir.ahead);
  dir.ahead = null;
  dir.missCount = 0;
  dir.fs.addListed(dir, listing.size);
}

function noteAdded(dir: GoferInode, name: ByteString, child: GoferInode): void {
  forgetAhead(dir);
  dir.ahead?.delete(name);
  dir.listing?.add({ name, ino: child.ino, dtype: modeToDtype(child.mode), record: null });
}

function noteRemoved(dir: GoferInode, name: ByteString): void {
  forgetAhead(dir);
  dir.ahead?.delete(name);
  dir.listing?.remove(name);
}

/** Takes over the attributes of a directory and of what was made in it. */
function adoptNew(dir: GoferInode, name: ByteString, dirRecord: unknown, record: unknown): GoferInode | Errno {
  if (!isAttrRecord(record)) return dir.fs.connection.malformed();
  const err = dir.applyRecord(dirRecord);
  if (err < 0) return err as Errno;
  const attr = dir.fs.decode(record, 0);
  const child = dir.fs.inodeFor(attr, dir, name);
  noteAdded(dir, name, child);
  return child;
}

export function createChild(
  dir: GoferInode,
  name: ByteString,
  mode: number,
  uid: number,
  gid: number,
): GoferInode | Errno {
  const reply = dir.callOn(c.CREATE, [name, 2, mode & 0o7777, uid, gid]);
  if (isErrno(reply)) return reply;
  const fd = dir.fs.connection.takeFd();
  const child = adoptNew(dir, name, reply[2], reply[3]);
  if (isErrno(child)) {
    if (fd >= 0) dir.fs.files.close(fd);
    return child;
  }
  if (fd >= 0) child.adoptCreated(fd);
  return child;
}

/** A file without a name, held by a control that must stay. */
export function createNameless(dir: GoferInode, mode: number, uid: number, gid: number): GoferInode | Errno {
  const reply = dir.callOn(c.TMPFILE, [mode & 0o7777, uid, gid]);
  if (isErrno(reply)) return reply;
  const fd = dir.fs.connection.takeFd();
  if (typeof reply[2] !== 'number' || !isAttrRecord(reply[3])) {
    if (fd >= 0) dir.fs.files.close(fd);
    return dir.fs.connection.malformed();
  }
  const file = dir.fs.inodeFor(dir.fs.decode(reply[3], 0), dir, '');
  file.parent = null;
  file.isControlPinned = true;
  file.setControl(reply[2]);
  if (fd >= 0) file.adoptCreated(fd);
  return file;
}

/** mkdir, mknod and symlink: `args` as the method wants them after the address. */
export function makeEntry(
  dir: GoferInode,
  name: ByteString,
  method: number,
  args: readonly WireValue[],
): GoferInode | Errno {
  const reply = dir.callOn(method, args);
  if (isErrno(reply)) return reply;
  const child = adoptNew(dir, name, reply[2], reply[3]);
  // A new directory is known to be empty.
  if (!isErrno(child) && method === c.MKDIR && dir.fs.isExclusive) setListing(child, new Listing([]));
  return child;
}

export function linkChild(dir: GoferInode, name: ByteString, target: GoferInode): number {
  const to = target.address();
  if (isErrno(to)) return to;
  const reply = dir.callOn(c.LINK, [name, to[0], to[1]]);
  if (isErrno(reply)) return reply;
  const err = dir.applyRecord(reply[2]);
  if (err < 0) return err;
  const described = target.applyRecord(reply[3]);
  if (described < 0) return described;
  if (target.parent === null) target.setPlace(dir, name);
  noteAdded(dir, name, target);
  return 0;
}

/** `child` lost the name dir/name; `control` and `record` (or 0 and null) are what the Gofer kept of it. */
function detach(dir: GoferInode, name: ByteString, child: GoferInode, control: unknown, record: unknown): number {
  const wasDir = (child.mode & S_IFMT) === S_IFDIR;
  if (typeof control === 'number' && control !== 0) child.setControl(control);
  if (child.parent === dir && child.name === name) {
    child.parent = null;
    child.isControlPinned = true;
  }
  if (record !== null) {
    const err = child.applyRecord(record);
    if (err < 0) return err;
  } else {
    child.nlink = wasDir ? 0 : Math.max(0, child.nlink - 1);
    child.areAttrsStale = child.nlink > 0 || child.openCount > 0;
  }
  if (child.nlink === 0 || wasDir) {
    child.fs.forgetInode(child);
    child.dropListing();
    if (child.openCount === 0) child.closeHostFds();
  }
  return 0;
}

/** A file that goes on living without this name, and that only the name can find now. */
function needsKeeping(child: GoferInode): boolean {
  if (child.control !== 0) return false;
  return child.openCount > 0 || (child.nlink > 1 && (child.mode & S_IFMT) !== S_IFDIR);
}

export function removeChild(dir: GoferInode, name: ByteString, child: GoferInode, flags: number): number {
  const reply = dir.callOn(c.UNLINK, [name, flags, needsKeeping(child) ? 1 : 0]);
  if (isErrno(reply)) return reply;
  const err = dir.applyRecord(reply[2]);
  if (err < 0) return err;
  noteRemoved(dir, name);
  return detach(dir, name, child, reply[3], reply[4]);
}

export function renameChild(
  dir: GoferInode,
  name: ByteString,
  child: GoferInode,
  newDir: GoferInode,
  newName: ByteString,
  target: GoferInode | null,
  flags: number,
): number {
  const to = newDir.address();
  if (isErrno(to)) return to;
  const isExchange = (flags & RENAME_EXCHANGE) !== 0;
  const keep = target !== null && !isExchange && target !== child && needsKeeping(target) ? 1 : 0;
  const reply = dir.callOn(c.RENAME, [name, to[0], to[1], newName, flags & 3, keep]);
  if (isErrno(reply)) return reply;
  // Two names of one file: rename(2) does nothing.
  if (target === child) return 0;
  let err = dir.applyRecord(reply[2]);
  if (err >= 0) err = newDir.applyRecord(reply[3]);
  if (err < 0) return err;
  if (target !== null && !isExchange) err = detach(newDir, newName, target, reply[5], reply[6]);
  if (err < 0) return err;
  noteRemoved(dir, name);
  noteRemoved(newDir, newName);
  child.setPlace(newDir, newName);
  noteAdded(newDir, newName, child);
  if (isExchange && target !== null) {
    target.setPlace(dir, name);
    noteAdded(dir, name, target);
    target.areAttrsStale = true;
  }
  return child.applyRecord(reply[4]);
}
