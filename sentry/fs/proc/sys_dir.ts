// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/sys: the tree is made from a flat table of sysctls.
 *
 * Linux: kernel/sysctl.c, fs/proc/proc_sysctl.c
 */
import { type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { S_IFDIR } from '../../../platform/abi/linux/stat.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type { ByteString } from '../../vfs/inode.ts';
import { GeneratedFileInode, StaticDirInode } from '../../vfs/pseudo_file.ts';
import type { ProcFilesystem } from './proc_filesystem.ts';
import { type Sysctl, sysctlTable } from './sysctl_table.ts';

function fileFor(fs: Filesystem, sysctl: Sysctl): GeneratedFileInode {
  const read = (ctx: IoContext): ByteString | Errno => {
    const value = sysctl.read(ctx);
    return isErrno(value) ? value : `${value}\n`;
  };
  const { write } = sysctl;
  if (write === undefined) return new GeneratedFileInode(fs, read, null, sysctl.mode ?? 0o444);
  const accept = (ctx: IoContext, text: ByteString, offset: number): number => {
    if (offset > 0) return text.length;
    const result = write(text.replace(/\0[\s\S]*$/, '').trim(), ctx);
    return result < 0 ? result : text.length;
  };
  return new GeneratedFileInode(fs, read, accept, sysctl.mode ?? 0o644);
}

/** Makes the tree. */
export function makeSysDir(fs: ProcFilesystem): StaticDirInode {
  const root = new StaticDirInode(fs);
  for (const sysctl of sysctlTable(fs.kernel, fs.pidNs)) {
    const parts = sysctl.path.split('/');
    let dir = root;
    for (const part of parts.slice(0, -1)) {
      let next = dir.entries.get(part);
      if (next === undefined || (next.mode & S_IFDIR) === 0) {
        next = new StaticDirInode(fs);
        dir.add(part, next);
      }
      dir = next as StaticDirInode;
    }
    dir.add(parts[parts.length - 1] as string, fileFor(fs, sysctl));
  }
  return root;
}
