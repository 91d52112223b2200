// SPDX-License-Identifier: Apache-2.0

/**
 * Handler that lists directories with everything below them, as far as one frame holds, for a client that walks a tree.
 *
 * Invariants: depth first, in the order a reader sees. Every directory is opened by one name relative to its parent, following nothing.
 */
import { EINVAL } from '../../../platform/abi/linux/errno.ts';
import { close, getdents64, openat, statx } from '../../../platform/ffi/gofer_calls.ts';
import type { WireValue } from '../../protocol/codec.ts';
import { ATTR_SIZE, TREE_BYTES_MAX, TREE_DEPTH_MAX, TREE_DIRS_MAX, TREE_NAMES_MAX } from '../../protocol/constants.ts';
import type { Reply } from '../reply.ts';
import type { Session } from '../session.ts';

// O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
const LIST_FLAGS = 0o2600000;
const DIRENT_LONGEST = 280;
const DT_DIR = 4;
const buffer = Buffer.allocUnsafeSlow(TREE_BYTES_MAX);
const record = Buffer.alloc(256);

/** One reply in the making. */
interface Listing {
  readonly limit: number;
  readonly describesAll: boolean;
  used: number;
  readonly dirs: WireValue[];
}

/**
 * [address, names, budget, all] -> [[index of the parent in this list or -1, name, raw linux_dirent64 records, attributes of the
 * subdirectories (or all entries) among them in order, zero for one that is gone], ...]. What does not fit in the budget, or cannot be read, is left out.
 */
export function readdir_tree(session: Session, args: readonly unknown[], reply: Reply): number {
  const names = args[4] as string[];
  if (names.length > TREE_NAMES_MAX) return EINVAL;
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    const listing: Listing = { limit: args[5] as number, describesAll: args[6] === 1, used: 0, dirs: [] };
    for (const name of names) if (!listBelow(listing, dir.fd, name, -1, 0)) break;
    reply.push(listing.dirs);
    return 0;
  });
}

/** Adds directory `name` and what is below it. False when there is no room for more. */
function listBelow(listing: Listing, parentFd: number, name: string, parent: number, depth: number): boolean {
  if (listing.dirs.length >= TREE_DIRS_MAX) return false;
  const fd = openat(parentFd, name, LIST_FLAGS, 0);
  if (fd < 0) return true;
  const start = listing.used;
  const end = readAll(fd, start, listing.limit);
  const names: string[] = [];
  const attrEnd = end < 0 ? -1 : describe(fd, start, end, listing, names);
  let hasRoom = attrEnd >= 0;
  if (hasRoom) {
    const index = listing.dirs.length;
    listing.dirs.push([parent, name, buffer.subarray(start, end), buffer.subarray(end, attrEnd)]);
    listing.used = attrEnd;
    for (let i = 0; hasRoom && i < names.length && depth < TREE_DEPTH_MAX; i++) {
      hasRoom = listBelow(listing, fd, names[i] as string, index, depth + 1);
    }
  }
  close(fd);
  return hasRoom;
}

/** Reads all entries into the buffer from `start` on. Returns where they end, or -1 when they do not fit. */
function readAll(fd: number, start: number, limit: number): number {
  let at = start;
  for (;;) {
    if (limit - at < DIRENT_LONGEST) return -1;
    const n = getdents64(fd, buffer.subarray(at, limit));
    if (n < 0) return -1;
    if (n === 0) return at;
    at += n;
  }
}

/** Appends attributes of the entries and collects the subdirectories' names. Returns the new end, or -1 without room. */
function describe(fd: number, start: number, end: number, listing: Listing, names: string[]): number {
  let out = end;
  for (let at = start; at < end; at += buffer.readUInt16LE(at + 16)) {
    const isDirectory = buffer[at + 18] === DT_DIR;
    if (!isDirectory && !listing.describesAll) continue;
    const name = buffer.toString('latin1', at + 19, buffer.indexOf(0, at + 19));
    if (name === '.' || name === '..') continue;
    if (listing.limit - out < ATTR_SIZE) return -1;
    // AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT
    if (statx(fd, name, 0x900, 0xfff, record) < 0) record.fill(0);
    record.copy(buffer, out, 0, ATTR_SIZE);
    out += ATTR_SIZE;
    if (isDirectory) names.push(name);
  }
  return out;
}
