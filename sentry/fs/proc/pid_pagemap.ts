// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/pagemap: a word for each page. The host knows which are there; frame numbers are nobody's business.
 *
 * Linux: fs/proc/task_mmu.c (pagemap_read)
 */
import { EINVAL, type Errno } from '../../../platform/abi/linux/errno.ts';
import { SEEK_CUR, SEEK_SET } from '../../../platform/abi/linux/fcntl.ts';
import { S_IFREG } from '../../../platform/abi/linux/stat.ts';
import type { MemoryManager } from '../../mm/memory_manager.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { PseudoInode } from '../../vfs/pseudo_file.ts';
import { liveMm, mayAccess, type TaskScope } from './task_scope.ts';

const PAGE = 4096;
const ENTRY = 8;
/** Words made at a time. */
const BATCH = 4096;
const PM_PRESENT_HIGH = 0x80000000;
const PM_SWAP_HIGH = 0x40000000;
const PM_FILE_HIGH = 0x20000000;
const PM_EXCLUSIVE_HIGH = 0x01000000;

export class PagemapInode extends PseudoInode {
  private readonly scope: TaskScope;

  constructor(scope: TaskScope) {
    super(scope.fs, S_IFREG | 0o400);
    this.scope = scope;
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    const denied = mayAccess(ctx, this.scope.task);
    return denied !== 0 ? (denied as Errno) : new PagemapFile(path, this, flags, ctx, liveMm(this.scope.task));
  }
}

class PagemapFile extends FileDescription {
  private readonly mm: MemoryManager | null;

  constructor(path: Path, inode: PagemapInode, flags: number, ctx: IoContext, mm: MemoryManager | null) {
    super(path, inode, flags, ctx.creds);
    this.mm = mm;
  }
  override read(ctx: IoContext, io: IoSequence): number {
    const n = this.pread(ctx, io, this.position);
    if (n > 0) this.position += n;
    return n;
  }
  override pread(_ctx: IoContext, io: IoSequence, offset: number): number {
    const { mm } = this;
    if (mm === null || mm.userCount === 0) return 0;
    if (offset % ENTRY !== 0 || io.remaining % ENTRY !== 0) return EINVAL;
    const first = offset / ENTRY;
    const end = Math.ceil(mm.addressSpace.layout.maxAddr / PAGE);
    const count = Math.min(io.remaining / ENTRY, end - first, BATCH);
    if (count <= 0) return 0;
    const out = new Uint8Array(count * ENTRY);
    fill(mm, first, out);
    return io.put(out, 0, out.length);
  }
  override seek(_ctx: IoContext, offset: number, whence: number): number {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) return EINVAL;
    const wanted = whence === SEEK_SET ? offset : this.position + offset;
    if (wanted < 0) return EINVAL;
    this.position = wanted;
    return wanted;
  }
}

/** The host's words, of mapped pages only and without frame numbers. */
function fill(mm: MemoryManager, first: number, out: Uint8Array): void {
  const got = mm.addressSpace.pagemap?.(first * PAGE, out) ?? 0;
  const words = new Uint32Array(out.buffer);
  const start = first * PAGE;
  const known = new Uint8Array(out.length / ENTRY);
  for (let i = mm.vmas.indexAfter(start); i < mm.vmas.count; i++) {
    const vma = mm.vmas.at(i);
    if (vma === undefined || vma === null || vma.start >= start + known.length * PAGE) break;
    known.fill(1, Math.max(0, (vma.start - start) / PAGE), Math.min(known.length, (vma.end - start) / PAGE));
  }
  const shown = PM_PRESENT_HIGH | PM_SWAP_HIGH | PM_FILE_HIGH | PM_EXCLUSIVE_HIGH;
  for (let i = 0; i < known.length; i++) {
    words[i * 2] = 0;
    words[i * 2 + 1] = known[i] === 1 && i * ENTRY < got ? ((words[i * 2 + 1] as number) & shown) >>> 0 : 0;
  }
}
