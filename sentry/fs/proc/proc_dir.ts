// SPDX-License-Identifier: Apache-2.0

/**
 * A directory of proc that lists itself: making names in it fails as a lookup of a name that does not exist.
 *
 * Linux: fs/proc/base.c, fs/proc/generic.c: their lookup answers ENOENT instead of a negative entry
 */
import { ENOENT, EPERM, type Errno } from '../../../platform/abi/linux/errno.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import { ListedDirInode } from '../../vfs/pseudo_file.ts';

export abstract class ProcDirInode extends ListedDirInode {
  override create(): Errno {
    return ENOENT;
  }
  override mkdir(): Errno {
    return ENOENT;
  }
  override mknod(): Errno {
    return ENOENT;
  }
  override symlink(): Errno {
    return ENOENT;
  }
  override rename(
    _ctx: IoContext,
    _name: ByteString,
    _child: Inode,
    _newDir: Inode,
    _newName: ByteString,
    target: Inode | null,
  ): number {
    return target === null ? ENOENT : EPERM;
  }
}
