// SPDX-License-Identifier: Apache-2.0

/**
 * Handlers that find and describe files: walk, getattr, stat_many, readlink, readdir, statfs.
 */
import { EBADF, ENOENT, ENOTDIR, ESTALE } from '../../../platform/abi/linux/errno.ts';
import { close, fstatfs, getdents64, listxattrFd, openat, statx } from '../../../platform/ffi/gofer_calls.ts';
import { openDirectory, openForDonation, readLink } from '../../hostfs/files.ts';
import { attrMode } from '../../protocol/attr.ts';
import { ATTR_SIZE, WALK_AHEAD, WALK_CONTROL, WALK_LISTING } from '../../protocol/constants.ts';
import { openComponent, type Place, readAttr, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../tree/controls.ts';
import type { Reply } from '../reply.ts';
import type { Session } from '../session.ts';

/**
 * [control, names, flags] -> control or 0, attributes of the components reached, errno that stopped the walk (0: none), and what was
 * fetched ahead.
 * A symbolic link or other file stops it: the next component's errno is ENOTDIR.
 */
export function walk(session: Session, args: readonly unknown[], reply: Reply): number {
  const base = session.controls.get(args[2] as number);
  if (base === undefined) return EBADF;
  const names = args[3] as string[];
  const attrs = Buffer.allocUnsafe(ATTR_SIZE * names.length);
  let fd = base.fd;
  let type = base.type;
  let reached = 0;
  let stopped = 0;
  for (const name of names) {
    const next = type === S_IFDIR ? openComponent(fd, name) : ENOTDIR;
    if (next < 0) {
      stopped = next;
      break;
    }
    const r = readAttr(next, attrs, reached * ATTR_SIZE);
    if (r < 0) {
      close(next);
      stopped = r;
      break;
    }
    if (fd !== base.fd) close(fd);
    fd = next;
    type = attrMode(attrs, reached * ATTR_SIZE) & S_IFMT;
    reached++;
  }
  const flags = args[4] as number;
  let ahead: string | number | Uint8Array | null = null;
  if (stopped === ENOENT) {
    if ((flags & WALK_LISTING) !== 0) ahead = smallListing(fd);
  } else if ((flags & WALK_AHEAD) !== 0) {
    ahead = fetchAhead({ fd, root: base.root, type, id: 0 }, stopped, reply);
  }
  let id = 0;
  if (fd !== base.fd) {
    if ((flags & WALK_CONTROL) === 0) close(fd);
    else id = session.controls.add(fd, base.root, type);
    if (id < 0) return id;
  }
  reply.push(id);
  reply.push(attrs.subarray(0, reached * ATTR_SIZE));
  reply.push(stopped);
  reply.push(ahead);
  return 0;
}

/** What a client is likely to ask for next about the place a walk ended at; null when nothing. */
function fetchAhead(place: Place, stopped: number, reply: Reply): string | number | null {
  if (place.type === S_IFLNK) {
    const text = readLink(place);
    return typeof text === 'string' ? text : null;
  }
  if (place.type !== S_IFREG || stopped !== 0) return null;
  const fd = openForDonation(place, 0);
  if (fd < 0) return null;
  reply.passFd = fd;
  return hasXattrs(fd);
}

/** 1 when the file has extended attributes, 0 when it has none (or its filesystem knows none). */
export function hasXattrs(fd: number): 0 | 1 {
  return listxattrFd(fd, statxOut, 0) > 0 ? 1 : 0;
}

const SMALL_LISTING = 32768;

/** All entries of a directory when they fit in 32 KB, or null. */
function smallListing(dirFd: number): Uint8Array | null {
  const fd = openat(dirFd, '.', 0o2600000, 0);
  if (fd < 0) return null;
  const room = dirents.subarray(0, SMALL_LISTING);
  const n = getdents64(fd, room);
  const isWhole = n >= 0 && getdents64(fd, dirents.subarray(SMALL_LISTING)) === 0;
  close(fd);
  return isWhole ? room.subarray(0, n) : null;
}

/** [address] -> attr. */
export function getattr(session: Session, args: readonly unknown[], reply: Reply): number {
  return session.withPlace(args[2] as number, args[3] as string[], (place) => session.pushAttr(reply, place.fd));
}

const statxOut = Buffer.alloc(256);

/** [directory, names] -> attributes in the same order; all zero for a name that failed. */
export function stat_many(session: Session, args: readonly unknown[], reply: Reply): number {
  const names = args[4] as string[];
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    const out = Buffer.alloc(ATTR_SIZE * names.length);
    for (let i = 0; i < names.length; i++) {
      // AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT
      const r = statx(dir.fd, names[i] as string, 0x900, 0xfff, statxOut);
      if (r >= 0) statxOut.copy(out, i * ATTR_SIZE, 0, ATTR_SIZE);
    }
    reply.push(out);
    return 0;
  });
}

/** [address] -> text. */
export function readlink(session: Session, args: readonly unknown[], reply: Reply): number {
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    const text = readLink(place);
    if (typeof text === 'number') return text;
    reply.push(text);
    return 0;
  });
}

const DIRENT_ROOM = 65536;
/** A directory entry of the longest name fits in this. */
const DIRENT_LONGEST = 280;
const dirents = Buffer.allocUnsafeSlow(DIRENT_ROOM);

/**
 * [address, stream] -> control of the directory (0 with a stream), stream to go on with (0: the end), raw linux_dirent64
 * records. Errors: ESTALE for a stream that another listing replaced.
 */
export function readdir(session: Session, args: readonly unknown[], reply: Reply): number {
  const stream = args[4] as number;
  let control = 0;
  if (stream === 0) {
    const dir = session.controls.resolveDir(args[2] as number, args[3] as string[]);
    if (typeof dir === 'number') return dir;
    const fd = openDirectory(dir);
    if (fd < 0) {
      session.controls.release(dir);
      return fd;
    }
    control = session.controls.keep(dir);
    if (control < 0) {
      close(fd);
      return control;
    }
    session.openStream(fd);
  } else if (stream !== session.streamId) {
    return ESTALE;
  }
  let filled = 0;
  while (DIRENT_ROOM - filled >= DIRENT_LONGEST) {
    const n = getdents64(session.streamFd, dirents.subarray(filled));
    if (n < 0) {
      session.closeStream();
      return n;
    }
    if (n === 0) {
      session.closeStream();
      break;
    }
    filled += n;
  }
  reply.push(control);
  reply.push(session.streamId);
  reply.push(dirents.subarray(0, filled));
  return 0;
}

const statfsOut = Buffer.alloc(120);

function word(at: number): number {
  return statfsOut.readUInt32LE(at) + (statfsOut.readUInt32LE(at + 4) & 0x1fffff) * 0x100000000;
}

/** [address] -> type, bsize, blocks, bfree, bavail, files, ffree, namelen, flags. */
export function statfs(session: Session, args: readonly unknown[], reply: Reply): number {
  return session.withPlace(args[2] as number, args[3] as string[], (place) => {
    const r = fstatfs(place.fd, statfsOut);
    if (r < 0) return r;
    for (const at of [0, 8, 16, 24, 32, 40, 48, 64, 80]) reply.push(word(at));
    return 0;
  });
}
