// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/maps, and PROCMAP_QUERY on it: one mapping asked for by an address, without a text to parse.
 *
 * Linux: fs/proc/task_mmu.c (do_procmap_query), lib/buildid.c
 */
import { E2BIG, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, ENOTTY, ESRCH, type Errno } from '../../../platform/abi/linux/errno.ts';
import { DT_REG, majorOf, minorOf } from '../../../platform/abi/linux/stat.ts';
import type { MemoryManager } from '../../mm/memory_manager.ts';
import { vmaName } from '../../mm/maps_text.ts';
import { VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, type Vma } from '../../mm/vma.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { BufferIo } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { GeneratedFile } from '../../vfs/pseudo_file.ts';
import { bind, GuardedFileInode, type PidEntry } from './pid_entry.ts';
import { liveMm, type TaskScope } from './task_scope.ts';

/** _IOWR('f', 17, struct procmap_query) */
const PROCMAP_QUERY = 0xc0686611;
const PROCMAP_QUERY_VMA_READABLE = 1;
const PROCMAP_QUERY_VMA_WRITABLE = 2;
const PROCMAP_QUERY_VMA_EXECUTABLE = 4;
const PROCMAP_QUERY_VMA_SHARED = 8;
const PROCMAP_QUERY_VMA_FLAGS = 15;
const PROCMAP_QUERY_COVERING_OR_NEXT_VMA = 16;
const PROCMAP_QUERY_FILE_BACKED_VMA = 32;
const PROCMAP_QUERY_ALL = 63;
/** sizeof(struct procmap_query), and what of it there must be. */
const QUERY_SIZE = 104;
const QUERY_LEAST = 24;
const PAGE = 4096;
const PATH_MAX = 4096;
const BUILD_ID_MAX = 20;

export const maps: PidEntry = { name: 'maps', dtype: DT_REG, make: (scope) => bind(scope, new MapsInode(scope)) };

class MapsInode extends GuardedFileInode {
  constructor(scope: TaskScope) {
    const generate = (ctx: IoContext): string | Errno =>
      scope.isCurrent() ? (liveMm(scope.task)?.mapsText(ctx.rootDir) ?? '') : ESRCH;
    super(scope, generate, 0o444, false);
  }
  protected override openAllowed(ctx: IoContext, path: Path, flags: number): FileDescription {
    return new MapsFile(ctx, path, this, flags, liveMm(this.scope.task));
  }
}

class MapsFile extends GeneratedFile {
  private readonly mm: MemoryManager | null;

  constructor(ctx: IoContext, path: Path, inode: MapsInode, flags: number, mm: MemoryManager | null) {
    super(ctx, path, inode, flags);
    this.mm = mm;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    return cmd >>> 0 === PROCMAP_QUERY ? query(ctx, this.mm, arg) : ENOTTY;
  }
}

function query(ctx: IoContext, mm: MemoryManager | null, arg: number): number {
  const given = ctx.memory.readU64(arg);
  if (given < 0) return EFAULT;
  if (given > PAGE) return E2BIG;
  if (given < QUERY_LEAST) return EINVAL;
  const bytes = new Uint8Array(Math.max(given, QUERY_SIZE));
  if (ctx.memory.copyIn(arg, bytes, 0, given) !== given) return EFAULT;
  if (bytes.subarray(QUERY_SIZE).some((byte) => byte !== 0)) return E2BIG;
  const view = new DataView(bytes.buffer);
  const flags = view.getUint32(8, true);
  if ((flags & ~PROCMAP_QUERY_ALL) !== 0 || view.getUint32(12, true) !== 0) return EINVAL;
  const nameSize = view.getUint32(80, true);
  const idSize = view.getUint32(84, true);
  const nameAddr = u64(view, 88);
  const idAddr = u64(view, 96);
  if ((nameSize !== 0) !== (nameAddr !== 0) || (idSize !== 0) !== (idAddr !== 0)) return EINVAL;
  if (mm === null || mm.userCount === 0) return ESRCH;
  const vma = findMatching(mm, u64(view, 16), flags);
  if (vma === null) return ENOENT;
  describe(view, vma);
  const id = idSize === 0 || vma.file === null ? null : buildId(ctx, vma.file);
  if (id !== null && id.length > idSize) return ENAMETOOLONG;
  view.setUint32(84, id === null ? 0 : id.length, true);
  const name = nameSize === 0 ? '' : vmaName(mm, vma, ctx.rootDir);
  if (name !== '' && name.length + 1 > Math.min(nameSize, PATH_MAX)) return ENAMETOOLONG;
  const text = Buffer.from(name === '' ? '' : `${name}\0`, 'latin1');
  view.setUint32(80, text.length, true);
  if (text.length > 0 && ctx.memory.copyOut(nameAddr, text, 0, text.length) !== text.length) return EFAULT;
  if (id !== null && ctx.memory.copyOut(idAddr, id, 0, id.length) !== id.length) return EFAULT;
  const shown = Math.min(given, QUERY_SIZE);
  return ctx.memory.copyOut(arg, bytes, 0, shown) === shown ? 0 : EFAULT;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 4294967296;
}
function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 4294967296, true);
  view.setUint32(at + 4, Math.floor(value / 4294967296), true);
}

function queryFlags(vma: Vma): number {
  let flags = 0;
  if ((vma.flags & VM_READ) !== 0) flags |= PROCMAP_QUERY_VMA_READABLE;
  if ((vma.flags & VM_WRITE) !== 0) flags |= PROCMAP_QUERY_VMA_WRITABLE;
  if ((vma.flags & VM_EXEC) !== 0) flags |= PROCMAP_QUERY_VMA_EXECUTABLE;
  if ((vma.flags & VM_MAYSHARE) !== 0) flags |= PROCMAP_QUERY_VMA_SHARED;
  return flags;
}

/** The mapping at `addr`, or the next that fits, as `flags` say; null: none. */
function findMatching(mm: MemoryManager, addr: number, flags: number): Vma | null {
  const takesNext = (flags & PROCMAP_QUERY_COVERING_OR_NEXT_VMA) !== 0;
  const wanted = flags & PROCMAP_QUERY_VMA_FLAGS;
  for (let i = mm.vmas.indexAfter(addr); ; i++) {
    const vma = mm.vmas.at(i);
    if (vma === undefined) return null;
    const isBacked = vma.file !== null || vma.region !== null;
    const fits = (queryFlags(vma) & wanted) === wanted && (isBacked || (flags & PROCMAP_QUERY_FILE_BACKED_VMA) === 0);
    if (fits && (takesNext || vma.start <= addr)) return vma;
    if (!takesNext) return null;
  }
}

function describe(view: DataView, vma: Vma): void {
  putU64(view, 24, vma.start);
  putU64(view, 32, vma.end);
  putU64(view, 40, queryFlags(vma));
  putU64(view, 48, PAGE);
  const { file, region } = vma;
  const isBacked = file !== null || region !== null;
  const dev = file?.inode.fs.dev ?? 0;
  putU64(view, 56, isBacked ? vma.offset : 0);
  putU64(view, 64, region?.ino ?? file?.inode.ino ?? 0);
  view.setUint32(72, region === null ? majorOf(dev) : 0, true);
  view.setUint32(76, region === null ? minorOf(dev) : 1, true);
}

const ELF_MAGIC = 0x464c457f;
const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;

function readSome(ctx: IoContext, file: FileDescription, offset: number, length: number): DataView {
  const buf = new Uint8Array(length);
  const n = file.pread(ctx, new BufferIo(buf), offset);
  return new DataView(buf.buffer, 0, Math.max(0, n));
}

/** The build id of an ELF file; null: it has none, or is none. */
function buildId(ctx: IoContext, file: FileDescription): Uint8Array | null {
  const head = readSome(ctx, file, 0, PAGE);
  if (head.byteLength < 64 || head.getUint32(0, true) !== ELF_MAGIC || head.getUint8(4) !== 2) return null;
  const table = u64(head, 32);
  const count = head.getUint16(56, true);
  for (let i = 0; i < count; i++) {
    const at = table + i * 56;
    if (at + 56 > head.byteLength) return null;
    if (head.getUint32(at, true) !== PT_NOTE) continue;
    const found = idInNotes(readSome(ctx, file, u64(head, at + 8), Math.min(u64(head, at + 32), PAGE)));
    if (found !== null) return found;
  }
  return null;
}

function idInNotes(notes: DataView): Uint8Array | null {
  for (let at = 0; at + 16 <= notes.byteLength; ) {
    const nameSize = notes.getUint32(at, true);
    const size = notes.getUint32(at + 4, true);
    const start = at + 12 + Math.ceil(nameSize / 4) * 4;
    const isGnu = nameSize === 4 && notes.getUint32(at + 12, true) === 0x00554e47;
    if (isGnu && notes.getUint32(at + 8, true) === NT_GNU_BUILD_ID && size > 0 && size <= BUILD_ID_MAX && start + size <= notes.byteLength)
      return new Uint8Array(notes.buffer.slice(notes.byteOffset + start, notes.byteOffset + start + size));
    at = start + Math.ceil(size / 4) * 4;
  }
  return null;
}
