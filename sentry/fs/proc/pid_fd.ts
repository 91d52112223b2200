// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/fd and /proc/pid/fdinfo.
 *
 * Linux: fs/proc/fd.c
 */
import { EACCES, ENOENT, type Errno } from '../../../platform/abi/linux/errno.ts';
import { O_CLOEXEC } from '../../../platform/abi/linux/fcntl.ts';
import { DT_LNK, DT_REG, S_IFLNK } from '../../../platform/abi/linux/stat.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { dPath } from '../../vfs/d_path.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { type DirEntry, GeneratedFileInode, MagicLinkInode } from '../../vfs/pseudo_file.ts';
import { fdLocksText } from './locks_text.ts';
import { ProcDirInode } from './proc_dir.ts';
import { mayAccess, type ProcScope, type TaskScope } from './task_scope.ts';

/** Ties an entry to one descriptor of the task. */
class FdScope implements ProcScope {
  private readonly task: TaskScope;
  readonly fd: number;
  readonly file: FileDescription;

  constructor(task: TaskScope, fd: number, file: FileDescription) {
    this.task = task;
    this.fd = fd;
    this.file = file;
  }
  isCurrent(): boolean {
    return this.task.isCurrent() && this.task.task.isLive && this.task.task.fdTable.get(this.fd) === this.file;
  }
  own(inode: Inode): void {
    this.task.own(inode);
  }
}

function parseFd(name: ByteString): number {
  return /^(0|[1-9]\d{0,8})$/.test(name) ? Number(name) : -1;
}

abstract class FdTableDirInode extends ProcDirInode {
  protected readonly scope: TaskScope;
  private readonly dtype: number;

  constructor(scope: TaskScope, permissions: number, dtype: number) {
    super(scope.fs, permissions);
    this.scope = scope;
    this.dtype = dtype;
  }
  protected abstract make(scope: FdScope): Inode;

  override lookup(_ctx: IoContext, name: ByteString): Inode | Errno {
    const t = this.scope.task;
    const fd = parseFd(name);
    const file = t.isLive ? t.fdTable.get(fd) : null;
    if (file === null) return ENOENT;
    const scope = new FdScope(this.scope, fd, file);
    const inode = this.make(scope);
    inode.attachment = scope;
    scope.own(inode);
    return inode;
  }
  override list(_ctx: IoContext): readonly DirEntry[] {
    const entries: DirEntry[] = [];
    const t = this.scope.task;
    if (t.isLive)
      t.fdTable.forEach((fd) => {
        entries.push({ name: String(fd), ino: this.ino * 65536 + fd + 1, dtype: this.dtype });
      });
    return entries;
  }
  override refreshAttributes(): number {
    const t = this.scope.task;
    this.size = t.isLive ? t.fdTable.openCount : 0;
    return 0;
  }
  /** The process's own threads may always look. */
  override checkPermission(ctx: IoContext, _mask: number): number | null {
    return (ctx as Task).threadGroup === this.scope.task.threadGroup ? 0 : null;
  }
}

export class FdDirInode extends FdTableDirInode {
  constructor(scope: TaskScope) {
    super(scope, 0o500, DT_LNK);
  }
  protected override make(scope: FdScope): Inode {
    const { file } = scope;
    const guard = <T>(ctx: IoContext, then: () => T): T | Errno => {
      if (!scope.isCurrent()) return ENOENT;
      return mayAccess(ctx, this.scope.task) !== 0 ? EACCES : then();
    };
    const inode = new MagicLinkInode(
      this.fs,
      (ctx) => guard(ctx, () => file.linkText() ?? dPath(ctx.rootDir, file.path)),
      (ctx) => guard(ctx, () => file.path),
    );
    inode.mode = S_IFLNK | (file.isReadable ? 0o500 : 0) | (file.isWritable ? 0o300 : 0);
    inode.size = 64;
    return inode;
  }
}

export class FdinfoDirInode extends FdTableDirInode {
  constructor(scope: TaskScope) {
    super(scope, 0o555, DT_REG);
  }
  protected override make(scope: FdScope): Inode {
    return new FdinfoInode(this.scope, scope);
  }
}

/** One fdinfo file: opening needs the right to trace. */
class FdinfoInode extends GeneratedFileInode {
  private readonly target: TaskScope;

  constructor(target: TaskScope, scope: FdScope) {
    super(
      target.fs,
      (ctx) => (scope.isCurrent() ? fdinfoText(ctx as Task, target.task, scope.fd, scope.file) : ENOENT),
      null,
      0o444,
    );
    this.target = target;
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return mayAccess(ctx, this.target.task) !== 0 ? EACCES : super.open(ctx, path, flags);
  }
}

function fdinfoText(reader: Task, t: Task, fd: number, file: FileDescription): string {
  const flags = file.flags | (t.fdTable.isCloseOnExec(fd) ? O_CLOEXEC : 0);
  return `pos:\t${file.position}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${file.path.mount.id}\nino:\t${file.inode.ino}\n${fdLocksText(reader, t.fdTable, file)}${file.fdinfo()}`;
}
