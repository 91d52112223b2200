// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/mem, and the texts that come out of a process's memory: cmdline, environ, auxv.
 *
 * Linux: fs/proc/base.c (get_mm_cmdline, environ_read, mem_rw)
 */
import { EINVAL, EIO, type Errno } from '../../../platform/abi/linux/errno.ts';
import { SEEK_CUR, SEEK_SET } from '../../../platform/abi/linux/fcntl.ts';
import { S_IFREG } from '../../../platform/abi/linux/stat.ts';
import type { Task } from '../../kernel/task.ts';
import type { MemoryManager } from '../../mm/memory_manager.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { PseudoInode } from '../../vfs/pseudo_file.ts';
import { liveMm, mayAccess, type TaskScope } from './task_scope.ts';

const PAGE = 4096;
/** Longest argument or environment area shown (Linux's own bound is the stack). */
const MAX_AREA = 8 * 1024 * 1024;
const CHUNK = 65536;

/** Bytes [start, end) of a process's memory, as far as they can be read. */
function readArea(mm: MemoryManager, start: number, end: number): Uint8Array {
  const length = Math.max(0, Math.min(end - start, MAX_AREA));
  const buf = new Uint8Array(length);
  const n = length === 0 ? 0 : mm.memory.copyIn(start, buf, 0, length);
  return buf.subarray(0, Math.max(0, n));
}

export function cmdline(t: Task): Uint8Array {
  const mm = liveMm(t);
  if (mm === null) return new Uint8Array(0);
  const { argStart, argEnd, envEnd } = mm.layout;
  const args = readArea(mm, argStart, argEnd);
  if (args.length === 0 || args[args.length - 1] === 0) return args;
  // The program wrote over the end of its arguments (setproctitle): one string, up to its NUL.
  const title = readArea(mm, argStart, Math.min(envEnd, argStart + PAGE));
  const nul = title.indexOf(0);
  return nul < 0 ? title : title.subarray(0, nul);
}

export function environ(t: Task): Uint8Array {
  const mm = liveMm(t);
  return mm === null ? new Uint8Array(0) : readArea(mm, mm.layout.envStart, mm.layout.envEnd);
}

/** /proc/pid/mem: opening needs the right to trace. */
export class MemInode extends PseudoInode {
  private readonly scope: TaskScope;

  constructor(scope: TaskScope) {
    super(scope.fs, S_IFREG | 0o600);
    this.scope = scope;
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    const denied = mayAccess(ctx, this.scope.task);
    if (denied !== 0) return denied as Errno;
    return new MemFile(path, this, flags, ctx, liveMm(this.scope.task));
  }
}

class MemFile extends FileDescription {
  private readonly mm: MemoryManager | null;

  constructor(path: Path, inode: MemInode, flags: number, ctx: IoContext, mm: MemoryManager | null) {
    super(path, inode, flags, ctx.creds);
    this.mm = mm;
  }
  override read(ctx: IoContext, io: IoSequence): number {
    const n = this.pread(ctx, io, this.position);
    if (n > 0) this.position += n;
    return n;
  }
  override write(ctx: IoContext, io: IoSequence): number {
    const n = this.pwrite(ctx, io, this.position);
    if (n > 0) this.position += n;
    return n;
  }
  override pread(_ctx: IoContext, io: IoSequence, offset: number): number {
    return this.move(io, offset, (mm, addr, buf, n) => {
      const got = mm.memory.copyIn(addr, buf, 0, n);
      return got <= 0 ? got : io.put(buf, 0, got);
    });
  }
  override pwrite(_ctx: IoContext, io: IoSequence, offset: number): number {
    return this.move(io, offset, (mm, addr, buf, n) => {
      const got = io.take(buf, 0, n);
      return got <= 0 ? got : mm.memory.forceCopyOut(addr, buf, 0, got);
    });
  }
  override seek(_ctx: IoContext, offset: number, whence: number): number {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) return EINVAL;
    this.position = whence === SEEK_SET ? offset : this.position + offset;
    return this.position;
  }

  private move(
    io: IoSequence,
    offset: number,
    step: (mm: MemoryManager, addr: number, buf: Uint8Array, n: number) => number,
  ): number {
    const mm = this.mm;
    if (mm === null || mm.userCount === 0) return 0;
    const buf = new Uint8Array(Math.min(CHUNK, io.remaining));
    let done = 0;
    while (io.remaining > 0) {
      const want = Math.min(io.remaining, PAGE - ((offset + done) % PAGE) + CHUNK - PAGE, buf.length);
      const n = step(mm, offset + done, buf, want);
      if (n <= 0) return done > 0 ? done : EIO;
      done += n;
      if (n < want) break;
    }
    return done;
  }
}
