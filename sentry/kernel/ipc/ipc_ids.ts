// SPDX-License-Identifier: Apache-2.0

/**
 * What the three kinds of System V objects have in common: keys, identifiers, ownership, permission.
 *
 * Linux:      ipc/util.c
 * Invariants: an object in the table is not removed; `isRemoved` says so to those who still hold one.
 */
import {
  EACCES,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOSPC,
  EPERM,
  isErrno,
  type Errno,
} from '../../../platform/abi/linux/errno.ts';
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from '../../../platform/abi/linux/ipc.ts';
import type { Credentials } from '../../auth/credentials.ts';

const CAP_IPC_OWNER = 15;
const CAP_SYS_ADMIN = 21;
/** Identifiers are sequence * 32768 + index. */
const SEQ_SHIFT = 32768;
const SEQ_MAX = 0x7fffffff >> 15;
/** Indexes are handed out in turn, at least this many before starting over. */
const MIN_CYCLE = 64;

export abstract class IpcObject {
  readonly key: number;
  id = -1;
  seq = 0;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  /** Permission bits (and SHM_DEST, SHM_LOCKED). */
  mode: number;
  ctime = 0;
  isRemoved = false;

  constructor(key: number, mode: number, creds: Credentials) {
    this.key = key;
    this.mode = mode;
    this.uid = this.cuid = creds.euid;
    this.gid = this.cgid = creds.egid;
  }

  /** ipcperms(): `flags` has the wanted bits in any of the three places. Returns 0 or EACCES. */
  permission(creds: Credentials, flags: number): number {
    const wanted = ((flags >> 6) | (flags >> 3) | flags) & 7;
    let granted = this.mode;
    if (creds.euid === this.cuid || creds.euid === this.uid) granted >>= 6;
    else if (creds.inGroup(this.cgid) || creds.inGroup(this.gid)) granted >>= 3;
    return (wanted & ~granted & 7) !== 0 && !creds.hasCap(CAP_IPC_OWNER) ? EACCES : 0;
  }

  /** May these credentials change or remove the object? Returns 0 or EPERM. */
  ownership(creds: Credentials): number {
    return creds.euid === this.cuid || creds.euid === this.uid || creds.hasCap(CAP_SYS_ADMIN) ? 0 : EPERM;
  }
}

export class IpcIds<T extends IpcObject> {
  private readonly byIndex = new Map<number, T>();
  private readonly byKey = new Map<number, T>();
  private readonly max: () => number;
  private nextIndex = 0;
  private lastIndex = -1;
  private seq = 0;
  /** Identifier the next object is to have (kernel.*_next_id), once; -1: none is asked for. */
  wantedId = -1;

  /** `max`: most objects at once. */
  constructor(max: () => number) {
    this.max = max;
  }

  get count(): number {
    return this.byIndex.size;
  }
  /** Highest index in use, -1 when none. */
  get highestIndex(): number {
    let highest = -1;
    for (const index of this.byIndex.keys()) highest = Math.max(highest, index);
    return highest;
  }
  /** Objects by index, ascending. */
  all(): T[] {
    return [...this.byIndex.entries()].sort((a, b) => a[0] - b[0]).map((e) => e[1]);
  }

  /**
   * The heart of shmget, semget and msgget: finds by key or makes. `check` refuses a found one (EINVAL); `make` creates.
   * Returns the identifier. Errors: ENOENT, EEXIST, EACCES, ENOSPC and those of check and make.
   */
  get(creds: Credentials, key: number, flags: number, check: (found: T) => number, make: () => T | Errno): number {
    const found = key === IPC_PRIVATE ? undefined : this.byKey.get(key);
    if (found === undefined) {
      if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return ENOENT;
      if (this.isFull) return ENOSPC;
      const made = make();
      return isErrno(made) ? made : this.add(made);
    }
    if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return EEXIST;
    const refused = check(found) || found.permission(creds, flags);
    return refused < 0 ? refused : found.id;
  }

  /** True when another object would be too many. */
  get isFull(): boolean {
    return this.byIndex.size >= this.max();
  }

  private add(object: T): number {
    const wanted = this.wantedId;
    this.wantedId = -1;
    if (wanted < 0) return this.addNext(object);
    // The index is taken as asked for, or the next free one above (idr_alloc).
    let index = wanted % SEQ_SHIFT;
    while (this.byIndex.has(index)) index++;
    if (index >= SEQ_SHIFT) return ENOSPC;
    return this.put(object, Math.floor(wanted / SEQ_SHIFT), index);
  }

  private addNext(object: T): number {
    const cycle = Math.min(Math.max(Math.floor((this.byIndex.size * 3) / 2), MIN_CYCLE), this.max());
    let index = this.nextIndex >= cycle ? 0 : this.nextIndex;
    while (this.byIndex.has(index)) index = (index + 1) % cycle;
    if (index <= this.lastIndex) this.seq = this.seq >= SEQ_MAX ? 0 : this.seq + 1;
    this.lastIndex = index;
    this.nextIndex = index + 1;
    return this.put(object, this.seq, index);
  }

  private put(object: T, seq: number, index: number): number {
    object.seq = seq;
    object.id = seq * SEQ_SHIFT + index;
    this.byIndex.set(index, object);
    if (object.key !== IPC_PRIVATE) this.byKey.set(object.key, object);
    return object.id;
  }

  /** By identifier. Errors: EINVAL, also when the slot holds another object now. */
  find(id: number): T | Errno {
    if (id < 0) return EINVAL;
    const object = this.byIndex.get(id % SEQ_SHIFT);
    if (object === undefined) return EINVAL;
    return object.id === id ? object : EINVAL;
  }
  /** By index (the *_STAT commands). Errors: EINVAL. */
  at(index: number): T | Errno {
    return index < 0 ? EINVAL : (this.byIndex.get(index % SEQ_SHIFT) ?? EINVAL);
  }

  /** Takes an object out of the table. */
  remove(object: T): void {
    object.isRemoved = true;
    this.byIndex.delete(object.id % SEQ_SHIFT);
    this.forgetKey(object);
  }
  /** The key may be used again (shm marked for destruction). */
  forgetKey(object: T): void {
    if (this.byKey.get(object.key) === object) this.byKey.delete(object.key);
  }
}
