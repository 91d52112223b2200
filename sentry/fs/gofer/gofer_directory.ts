// SPDX-License-Identifier: Apache-2.0

/**
 * GoferDirectory: an open directory. It reads a snapshot of the entries, taken at the first read and after rewinding.
 */
import { EINVAL, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { SEEK_CUR, SEEK_SET } from '../../../platform/abi/linux/fcntl.ts';
import { FSYNC } from '../../../gofer/protocol/constants.ts';
import type { IoContext } from '../../vfs/context.ts';
import { type DirEmit, FileDescription } from '../../vfs/file_description.ts';
import { fetchEntries, loadListing } from './directory_calls.ts';
import type { GoferInode } from './gofer_inode.ts';
import type { ListEntry } from './listing.ts';

const DT_DIR = 4;

export class GoferDirectory extends FileDescription {
  declare readonly inode: GoferInode;
  private entries: readonly ListEntry[] | null = null;

  override readdir(_ctx: IoContext, emit: DirEmit): number {
    const inode = this.inode;
    const entries = this.load();
    if (isErrno(entries)) return entries;
    if (this.position === 0) {
      if (!emit('.', inode.ino, DT_DIR, 1)) return 0;
      this.position = 1;
    }
    if (this.position === 1) {
      if (!emit('..', (inode.parent ?? inode).ino, DT_DIR, 2)) return 0;
      this.position = 2;
    }
    while (this.position - 2 < entries.length) {
      const entry = entries[this.position - 2] as ListEntry;
      if (!emit(entry.name, entry.ino, entry.dtype, this.position + 1)) return 0;
      this.position++;
    }
    return 0;
  }

  private load(): readonly ListEntry[] | Errno {
    if (this.position === 0) this.entries = null;
    if (this.entries !== null) return this.entries;
    const inode = this.inode;
    if (inode.nlink === 0) {
      this.entries = [];
    } else if (inode.fs.isExclusive) {
      const listing = loadListing(inode);
      if (isErrno(listing)) return listing;
      this.entries = listing.snapshot();
    } else {
      const fetched = fetchEntries(inode);
      if (isErrno(fetched)) return fetched;
      this.entries = fetched;
    }
    return this.entries;
  }

  override seek(_ctx: IoContext, offset: number, whence: number): number {
    const target = whence === SEEK_SET ? offset : whence === SEEK_CUR ? this.position + offset : -1;
    if (target < 0) return EINVAL;
    this.position = target;
    return target;
  }

  override fsync(_ctx: IoContext, dataOnly: boolean): number {
    const reply = this.inode.callOn(FSYNC, [dataOnly ? 1 : 0]);
    return isErrno(reply) ? reply : 0;
  }
}
