// SPDX-License-Identifier: Apache-2.0

/**
 * FdTable: descriptor numbers to open files, shared between tasks with CLONE_FILES.
 *
 * Linux:      fs/file.c, include/linux/fdtable.h
 * Invariants: each installed descriptor holds one reference of its FileDescription. The lowest free number is found without
 *             scanning from zero each time.
 */
import { EBADF, EINVAL, EMFILE } from '../../platform/abi/linux/errno.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import { dropRecordLocks } from '../vfs/file_locks.ts';

/** fs.nr_open: no descriptor and no RLIMIT_NOFILE beyond it. */
export const descriptorLimits = { nrOpen: 1048576 };
/** Tables grow by this many descriptors. */
const TABLE_STEP = 64;

export class FdTable {
  private files: (FileDescription | null)[] = [];
  private closeOnExec: boolean[] = [];
  private lowestFree = 0;
  private users = 1;
  private open = 0;

  /** Returns the open file, or null (EBADF) also for O_PATH descriptors being used for I/O: see FileDescription.isReadable. */
  get(fd: number): FileDescription | null {
    return (fd >= 0 && this.files[fd]) || null;
  }

  isCloseOnExec(fd: number): boolean {
    return this.closeOnExec[fd] === true;
  }
  setCloseOnExec(fd: number, on: boolean): void {
    this.closeOnExec[fd] = on;
  }

  /** Installs `file` (taking over the caller's reference) at the lowest number >= min. Errors: EMFILE; EINVAL when min >= limit. On error the reference stays the caller's. */
  install(file: FileDescription, cloexec: boolean, limit: number, min = 0): number {
    if (min >= limit) return EINVAL;
    let fd = Math.max(min, this.lowestFree);
    while (fd < this.files.length && this.files[fd] != null) fd++;
    if (fd >= limit || this.isBeyond(fd)) return EMFILE;
    this.put(fd, file, cloexec);
    if (min <= this.lowestFree) this.lowestFree = fd + 1;
    return fd;
  }

  /** The number install() would give out, or EMFILE. */
  nextFree(limit: number): number {
    let fd = this.lowestFree;
    while (fd < this.files.length && this.files[fd] != null) fd++;
    return fd >= limit ? EMFILE : fd;
  }

  /** dup2: installs at exactly `fd` (taking over the reference), closing what was there. Errors: EBADF when fd is out of range. */
  installAt(ctx: IoContext, fd: number, file: FileDescription, cloexec: boolean, limit: number): number {
    if (fd < 0 || fd >= limit) return EBADF;
    if (this.isBeyond(fd)) return EMFILE;
    const old = this.files[fd] ?? null;
    this.put(fd, file, cloexec);
    if (old !== null) {
      this.open--;
      this.drop(ctx, old);
    }
    return fd;
  }

  /** close(2). */
  close(ctx: IoContext, fd: number): number {
    const file = this.get(fd);
    if (file === null) return EBADF;
    this.files[fd] = null;
    this.closeOnExec[fd] = false;
    this.open--;
    if (fd < this.lowestFree) this.lowestFree = fd;
    return this.drop(ctx, file);
  }

  /** Calls visit for each open descriptor in ascending order. */
  forEach(visit: (fd: number, file: FileDescription) => void): void {
    for (let fd = 0; fd < this.files.length; fd++) {
      const file = this.files[fd];
      if (file != null) visit(fd, file);
    }
  }

  /** One past the highest number ever used (bound for loops and close_range). */
  get size(): number {
    return this.files.length;
  }
  get openCount(): number {
    return this.open;
  }

  /** Would the table have to grow beyond fs.nr_open? What it has room for already can be used. */
  private isBeyond(fd: number): boolean {
    return fd >= descriptorLimits.nrOpen && fd >= Math.ceil(this.files.length / TABLE_STEP) * TABLE_STEP;
  }

  /** Are there descriptors that no new table would have room for, fs.nr_open having become smaller? */
  get isTooLargeToCopy(): boolean {
    const room = Math.max(TABLE_STEP, Math.ceil(descriptorLimits.nrOpen / TABLE_STEP) * TABLE_STEP);
    for (let fd = this.files.length - 1; fd >= room; fd--) if (this.files[fd] != null) return true;
    return false;
  }

  /** A copy for fork without CLONE_FILES. */
  clone(): FdTable {
    const copy = new FdTable();
    copy.files = this.files.slice();
    copy.closeOnExec = this.closeOnExec.slice();
    copy.lowestFree = this.lowestFree;
    copy.open = this.open;
    for (const file of copy.files) file?.incRef();
    return copy;
  }

  incUsers(): void {
    this.users++;
  }
  get userCount(): number {
    return this.users;
  }
  /** Drops one user; the last one closes every descriptor. */
  decUsers(ctx: IoContext): void {
    if (--this.users > 0) return;
    for (let fd = 0; fd < this.files.length; fd++) this.close(ctx, fd);
    this.files = [];
  }
  /** execve: closes what is marked. */
  closeOnExecAll(ctx: IoContext): void {
    for (let fd = 0; fd < this.files.length; fd++) if (this.closeOnExec[fd] === true) this.close(ctx, fd);
  }

  private put(fd: number, file: FileDescription, cloexec: boolean): void {
    while (this.files.length <= fd) {
      this.files.push(null);
      this.closeOnExec.push(false);
    }
    this.files[fd] = file;
    this.closeOnExec[fd] = cloexec;
    this.open++;
  }

  private drop(ctx: IoContext, file: FileDescription): number {
    const result = file.flush(ctx);
    if (file.inode.body.locks !== null) dropRecordLocks(file.inode, this);
    file.decRef();
    return result;
  }
}
