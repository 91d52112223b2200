// SPDX-License-Identifier: Apache-2.0

/**
 * Control descriptors: O_PATH|O_NOFOLLOW descriptors by id. They name files for the client; a path is never walked twice.
 *
 * Invariants: a control's root never changes, so no request can reach from one root into another. Every control's
 *             descriptor was reached from its root by single components that were not symbolic links. Their number is bounded.
 */
import { EBADF, ELOOP, ENFILE, ENOTDIR } from '../../platform/abi/linux/errno.ts';
import { close, openat, statxFd } from '../../platform/ffi/gofer_calls.ts';
import { attrMode } from '../protocol/attr.ts';
import { ATTR_SIZE } from '../protocol/constants.ts';

const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const WALK_FLAGS = O_PATH | O_NOFOLLOW | O_CLOEXEC;
const STATX_ALL = 0xfff;
export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;

export interface Root {
  readonly isReadonly: boolean;
  /** Sockets in it may be connected to. */
  readonly allowsUds: boolean;
  /** Sockets may be made in it. */
  readonly allowsBinding: boolean;
}

/** A file held by descriptor while one request runs, or for longer as a control. */
export interface Place {
  fd: number;
  root: Root;
  /** File type (S_IF*). */
  type: number;
  /** The control this is, or 0 for one made by a walk, whose descriptor closes with the request. */
  id: number;
}

/** Reads the attributes behind fd into out[at..at+144]; returns 0 or errno. */
export function readAttr(fd: number, out: Uint8Array, at: number): number {
  const r = statxFd(fd, STATX_ALL, scratch);
  if (r < 0) return r;
  out.set(scratchAttr, at);
  return 0;
}
const scratch = Buffer.alloc(256);
const scratchAttr = scratch.subarray(0, ATTR_SIZE);

/** File type behind fd, or errno. */
export function fileType(fd: number): number {
  const r = statxFd(fd, 1, scratch);
  return r < 0 ? r : attrMode(scratch, 0) & S_IFMT;
}

/** Opens one component for naming only, following nothing. Returns the descriptor or errno. */
export function openComponent(dirFd: number, name: string): number {
  return openat(dirFd, name, WALK_FLAGS, 0);
}

export class Controls {
  private readonly byId = new Map<number, Place>();
  private nextId: number;
  readonly limit: number;

  constructor(firstId: number, limit: number) {
    this.nextId = firstId;
    this.limit = limit;
  }

  get(id: number): Place | undefined {
    return this.byId.get(id);
  }

  get count(): number {
    return this.byId.size;
  }

  /** Makes a control of an open descriptor, which it then owns. Returns its id; ENFILE when there are too many (fd closed). */
  add(fd: number, root: Root, type: number): number {
    if (this.byId.size >= this.limit) {
      close(fd);
      return ENFILE;
    }
    let id = this.nextId;
    while (id === 0 || this.byId.has(id)) id = (id + 1) >>> 0;
    this.nextId = (id + 1) >>> 0;
    this.byId.set(id, { fd, root, type, id });
    return id;
  }

  forget(id: number): void {
    const place = this.byId.get(id);
    if (place === undefined) return;
    this.byId.delete(id);
    close(place.fd);
  }

  /**
   * Finds the file an address names. Returns a place (release() it) or errno: EBADF for an unknown control, ENOTDIR for a
   * component that is not a directory (symbolic links included).
   */
  resolve(id: number, names: readonly string[]): Place | number {
    const base = this.byId.get(id);
    if (base === undefined) return EBADF;
    if (names.length === 0) return base;
    if (base.type !== S_IFDIR) return ENOTDIR;
    let fd = base.fd;
    for (let i = 0; i < names.length; i++) {
      const isLast = i === names.length - 1;
      const next = openat(fd, names[i] as string, isLast ? WALK_FLAGS : WALK_FLAGS | O_DIRECTORY, 0);
      if (fd !== base.fd) close(fd);
      if (next < 0) return next;
      fd = next;
    }
    const type = fileType(fd);
    if (type < 0) {
      close(fd);
      return type;
    }
    return { fd, root: base.root, type, id: 0 };
  }

  /** Resolves an address that must be a directory. */
  resolveDir(id: number, names: readonly string[]): Place | number {
    const place = this.resolve(id, names);
    if (typeof place === 'number') return place;
    if (place.type !== S_IFDIR) {
      this.release(place);
      return place.type === S_IFLNK ? ELOOP : ENOTDIR;
    }
    return place;
  }

  /** Ends the use of a resolved place. */
  release(place: Place): void {
    if (place.id === 0 && place.fd >= 0) close(place.fd);
  }

  /** Turns a place into a control that outlives the request. Returns its id or errno. */
  keep(place: Place): number {
    if (place.id !== 0) return place.id;
    const id = this.add(place.fd, place.root, place.type);
    if (id < 0) place.fd = -1;
    else place.id = id;
    return id;
  }

  /** Closes everything. */
  clear(): void {
    for (const place of this.byId.values()) close(place.fd);
    this.byId.clear();
  }
}
