// SPDX-License-Identifier: Apache-2.0

/**
 * memfd_create(2): unnamed tmpfs files with seals.
 *
 * Linux: mm/memfd.c; memfd_create(2)
 */
import type { Errno } from '../../../platform/abi/linux/errno.ts';
import { F_SEAL_EXEC, F_SEAL_SEAL, O_LARGEFILE, O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import { S_IFREG } from '../../../platform/abi/linux/stat.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { VirtualFilesystem } from '../../vfs/virtual_filesystem.ts';
import { Tmpfs, type TmpfsHost, defaultOptions } from './tmpfs.ts';
import { TmpfsFile } from './tmpfs_file.ts';
import { TmpfsOpenFile } from './tmpfs_open_file.ts';

const instances = new WeakMap<VirtualFilesystem, Tmpfs>();

/** The unmounted tmpfs that memfds (and shared anonymous objects) live on. */
function memfdFilesystem(vfs: VirtualFilesystem): Tmpfs {
  let fs = instances.get(vfs);
  if (fs === undefined) {
    const host: TmpfsHost = vfs.host;
    const options = defaultOptions(host);
    fs = new Tmpfs(host, { ...options, pages: Math.floor(host.info.memoryTotal / 4096) }, options);
    instances.set(vfs, fs);
  }
  return fs;
}

/** Makes an unnamed file open for reading and writing. `sealing`: 'none', 'allowed', or 'noexec' (allowed, F_SEAL_EXEC set). */
export function makeMemfd(
  vfs: VirtualFilesystem,
  ctx: IoContext,
  name: ByteString,
  sealing: 'none' | 'allowed' | 'noexec',
): FileDescription | Errno {
  const fs = memfdFilesystem(vfs);
  const err = fs.chargeInode();
  if (err !== 0) return err;
  const file = new TmpfsFile(fs, S_IFREG | (sealing === 'noexec' ? 0o666 : 0o777), ctx.creds.fsuid, ctx.creds.fsgid);
  file.nlink = 0;
  file.seals = sealing === 'none' ? F_SEAL_SEAL : sealing === 'noexec' ? F_SEAL_EXEC : 0;
  const path = vfs.anonPath(file, `memfd:${name}`);
  path.dentry.isUnlinked = true;
  return new TmpfsOpenFile(path, file, O_RDWR | O_LARGEFILE, ctx.creds, `/memfd:${name} (deleted)`);
}
