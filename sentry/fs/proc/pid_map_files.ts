// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/map_files: a link for each mapping of a file, named for where it is mapped.
 *
 * Linux:   fs/proc/base.c (proc_map_files_lookup, proc_map_files_get_link)
 * Differs: shared memory without an open file (System V segments, MAP_SHARED|MAP_ANONYMOUS) is not listed.
 */
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { EACCES, ENOENT, EPERM, type Errno } from '../../../platform/abi/linux/errno.ts';
import { DT_LNK, S_IFLNK } from '../../../platform/abi/linux/stat.ts';
import { VM_READ, VM_WRITE, type Vma } from '../../mm/vma.ts';
import type { IoContext } from '../../vfs/context.ts';
import { dPath } from '../../vfs/d_path.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { type DirEntry, MagicLinkInode } from '../../vfs/pseudo_file.ts';
import { ProcDirInode } from './proc_dir.ts';
import { liveMm, mayAccess, type ProcScope, type TaskScope } from './task_scope.ts';

const nameOf = (vma: Vma): ByteString => `${vma.start.toString(16)}-${vma.end.toString(16)}`;

/** Ties an entry to one mapping of the task. */
class MappingScope implements ProcScope {
  private readonly task: TaskScope;
  private readonly name: ByteString;
  private readonly file: FileDescription;

  constructor(task: TaskScope, name: ByteString, file: FileDescription) {
    this.task = task;
    this.name = name;
    this.file = file;
  }
  isCurrent(): boolean {
    return this.task.isCurrent() && findMapping(this.task, this.name)?.file === this.file;
  }
  own(inode: Inode): void {
    this.task.own(inode);
  }
}

function findMapping(scope: TaskScope, name: ByteString): Vma | null {
  const mm = liveMm(scope.task);
  const range = /^([1-9a-f][0-9a-f]{0,15}|0)-([1-9a-f][0-9a-f]{0,15})$/.exec(name);
  if (mm === null || range === null) return null;
  const vma = mm.vmas.find(Number.parseInt(range[1] as string, 16));
  return vma !== null && vma !== undefined && vma.file !== null && nameOf(vma) === name ? vma : null;
}

export class MapFilesDirInode extends ProcDirInode {
  private readonly scope: TaskScope;

  constructor(scope: TaskScope) {
    super(scope.fs, 0o500);
    this.scope = scope;
  }
  override lookup(ctx: IoContext, name: ByteString): Inode | Errno {
    if (mayAccess(ctx, this.scope.task) !== 0) return EACCES;
    const vma = findMapping(this.scope, name);
    return vma === null ? ENOENT : this.make(name, vma, vma.file as FileDescription);
  }
  override list(ctx: IoContext): readonly DirEntry[] | Errno {
    if (mayAccess(ctx, this.scope.task) !== 0) return EACCES;
    const entries: DirEntry[] = [];
    let ino = this.ino * 65536;
    for (const vma of liveMm(this.scope.task)?.vmas ?? [])
      if (vma.file !== null) entries.push({ name: nameOf(vma), ino: ++ino, dtype: DT_LNK });
    return entries;
  }

  private make(name: ByteString, vma: Vma, file: FileDescription): Inode {
    const scope = new MappingScope(this.scope, name, file);
    const text = (ctx: IoContext): ByteString | Errno =>
      scope.isCurrent() ? (file.linkText() ?? dPath(ctx.rootDir, file.path)) : ENOENT;
    const place = (ctx: IoContext): Path | Errno => {
      if (!ctx.creds.hasCap(CAP_CHECKPOINT_RESTORE) && !ctx.creds.hasCap(CAP_SYS_ADMIN)) return EPERM;
      return scope.isCurrent() ? file.path : ENOENT;
    };
    const inode = new MagicLinkInode(this.fs, text, place);
    inode.mode = S_IFLNK | ((vma.flags & VM_READ) !== 0 ? 0o400 : 0) | ((vma.flags & VM_WRITE) !== 0 ? 0o200 : 0);
    inode.size = 64;
    inode.attachment = scope;
    scope.own(inode);
    return inode;
  }
}
