// SPDX-License-Identifier: Apache-2.0

/**
 * PidEntry: one name under /proc/pid, as data: how its inode is made for a task. The tables of pid_dir.ts are made of these.
 *
 * Linux: fs/proc/base.c (struct pid_entry)
 */
import { EINVAL, ENOENT, ESRCH, type Errno } from '../../../platform/abi/linux/errno.ts';
import { DT_DIR, DT_LNK, DT_REG } from '../../../platform/abi/linux/stat.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import {
  type DirEntry,
  type GenerateContent,
  type GeneratedContent,
  GeneratedFileInode,
  MagicLinkInode,
} from '../../vfs/pseudo_file.ts';
import { ProcDirInode } from './proc_dir.ts';
import { liveMm, mayAccess, type TaskScope } from './task_scope.ts';

export interface PidEntry {
  readonly name: ByteString;
  readonly dtype: number;
  readonly make: (scope: TaskScope) => Inode;
}

type ReadText = (t: Task, ctx: IoContext, scope: TaskScope) => GeneratedContent | Errno;
/** `opener`: the credentials the file was opened with. */
type WriteText = (t: Task, ctx: IoContext, text: ByteString, opener: Credentials) => number;

/** Ties a fresh inode to its task. */
export function bind<I extends Inode>(scope: TaskScope, inode: I): I {
  inode.attachment = scope;
  scope.own(inode);
  return inode;
}

/** A generated file. `write` returns 0 or errno. */
export function file(name: ByteString, mode: number, read: ReadText, write?: WriteText): PidEntry {
  return {
    name,
    dtype: DT_REG,
    make: (scope) =>
      bind(
        scope,
        new GeneratedFileInode(
          scope.fs,
          (ctx) => (scope.isCurrent() ? read(scope.task, ctx, scope) : ESRCH),
          write === undefined ? null : (ctx, text, _offset, opened) => accept(scope, ctx, text, opened.creds, write),
          mode,
        ),
      ),
  };
}

function accept(scope: TaskScope, ctx: IoContext, text: ByteString, opener: Credentials, write: WriteText): number {
  if (!scope.isCurrent()) return ESRCH;
  const result = write(scope.task, ctx, text, opener);
  return result === 0 ? text.length : result;
}

/** A generated file that only those who might trace the task can open. */
export class GuardedFileInode extends GeneratedFileInode {
  protected readonly scope: TaskScope;
  private readonly needsMemory: boolean;

  constructor(scope: TaskScope, read: GenerateContent, mode: number, needsMemory: boolean) {
    super(scope.fs, read, null, mode);
    this.scope = scope;
    this.needsMemory = needsMemory;
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    if (!this.scope.isCurrent()) return ESRCH;
    const denied = mayAccess(ctx, this.scope.task);
    if (denied !== 0) return denied as Errno;
    if (this.needsMemory && liveMm(this.scope.task) === null) return ESRCH;
    return this.openAllowed(ctx, path, flags);
  }
  protected openAllowed(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return super.open(ctx, path, flags);
  }
}

/** An entry that only those who might trace the task can open. `memory`: opening needs a process that has not exited. */
export function guarded(name: ByteString, mode: number, read: ReadText, memory: 'memory' | 'any' = 'any'): PidEntry {
  return {
    name,
    dtype: DT_REG,
    make: (scope) => {
      const generate: GenerateContent = (ctx) => (scope.isCurrent() ? read(scope.task, ctx, scope) : ESRCH);
      return bind(scope, new GuardedFileInode(scope, generate, mode, memory === 'memory'));
    },
  };
}

/** A magic link, for those who might trace the task. */
export function link(
  name: ByteString,
  text: (t: Task, ctx: IoContext) => ByteString | Errno,
  place: (t: Task, ctx: IoContext) => Path | Errno,
): PidEntry {
  const guard = <T>(scope: TaskScope, ctx: IoContext, then: () => T | Errno): T | Errno => {
    if (!scope.isCurrent()) return ESRCH;
    const denied = mayAccess(ctx, scope.task);
    return denied !== 0 ? (denied as Errno) : then();
  };
  return {
    name,
    dtype: DT_LNK,
    make: (scope) =>
      bind(
        scope,
        new MagicLinkInode(
          scope.fs,
          (ctx) => guard(scope, ctx, () => text(scope.task, ctx)),
          (ctx) => guard(scope, ctx, () => place(scope.task, ctx)),
        ),
      ),
  };
}

/** A directory made by `make`. */
export function directory(name: ByteString, make: (scope: TaskScope) => Inode): PidEntry {
  return { name, dtype: DT_DIR, make: (scope) => bind(scope, make(scope)) };
}

/** A directory over a table of entries. */
export class PidTableDirInode extends ProcDirInode {
  protected readonly scope: TaskScope;
  private readonly table: readonly PidEntry[];
  private readonly byName: ReadonlyMap<ByteString, PidEntry>;

  constructor(scope: TaskScope, table: PidTable, permissions = 0o555) {
    super(scope.fs, permissions);
    this.scope = scope;
    this.table = table.entries;
    this.byName = table.byName;
    this.nlink = 2 + table.directories;
  }
  /** A working directory may outlive its process. */
  override checkPermission(_ctx: IoContext, _mask: number): number | null {
    return this.scope.isCurrent() ? null : ESRCH;
  }
  get task(): Task {
    return this.scope.task;
  }
  isOf(table: PidTable): boolean {
    return this.table === table.entries;
  }
  override lookup(_ctx: IoContext, name: ByteString): Inode | Errno {
    const entry = this.byName.get(name);
    return entry === undefined ? ENOENT : entry.make(this.scope);
  }
  override list(_ctx: IoContext): readonly DirEntry[] {
    return this.table.map(({ name, dtype }, i) => ({ name, dtype, ino: this.ino * 256 + i + 1 }));
  }
}

export interface PidTable {
  readonly entries: readonly PidEntry[];
  readonly byName: ReadonlyMap<ByteString, PidEntry>;
  readonly directories: number;
}

export function pidTable(entries: readonly PidEntry[]): PidTable {
  return {
    entries,
    byName: new Map(entries.map((e) => [e.name, e])),
    directories: entries.filter((e) => e.dtype === DT_DIR).length,
  };
}

/** Parses a decimal integer written to a file, surrounding white space allowed. Errors: EINVAL. */
export function parseInteger(text: ByteString): number | null {
  const trimmed = text.trim();
  return /^[+-]?\d{1,15}$/.test(trimmed) ? Number(trimmed) : null;
}

/** A write handler for one integer in [min, max]. */
export function integerWriter(
  min: number,
  max: number,
  set: (t: Task, ctx: IoContext, value: number) => number,
): WriteText {
  return (t, ctx, text) => {
    const value = parseInteger(text);
    return value === null || value < min || value > max ? EINVAL : set(t, ctx, value);
  };
}
