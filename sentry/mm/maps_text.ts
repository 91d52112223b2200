// SPDX-License-Identifier: Apache-2.0

/**
 * The text of /proc/pid/maps.
 *
 * Linux: fs/proc/task_mmu.c (show_map_vma, get_vma_name)
 */
import { majorOf, minorOf } from '../../platform/abi/linux/stat.ts';
import { dPath } from '../vfs/d_path.ts';
import type { Path } from '../vfs/mount.ts';
import type { MemoryManager } from './memory_manager.ts';
import { VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, type Vma } from './vma.ts';

/** Column the name starts at. */
const NAME_COLUMN = 73;
/** A root that no walk up meets: paths are then shown from the top of their mount tree. */
const NO_ROOT = { mount: null, dentry: null } as unknown as Path;

/** The page every x86-64 process has (get_gate_vma). */
const VSYSCALL = 'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 '.padEnd(NAME_COLUMN) + '[vsyscall]\n';

/** All lines, paths as seen from `root` (null: from the top). */
export function mapsText(mm: MemoryManager, root: Path | null): string {
  let text = '';
  for (const vma of mm.vmas) text += mapsLine(mm, vma, root);
  return mm.executable === null ? text : `${text}${VSYSCALL}`;
}

/** One line, with its newline. */
export function mapsLine(mm: MemoryManager, vma: Vma, root: Path | null): string {
  const head = `${hex8(vma.start)}-${hex8(vma.end)} ${permissions(vma)} ${backing(vma)} `;
  const name = vmaName(mm, vma, root);
  return name === '' ? `${head}\n` : `${head.padEnd(NAME_COLUMN)}${name}\n`;
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}

function permissions(vma: Vma): string {
  const { flags } = vma;
  return (
    ((flags & VM_READ) !== 0 ? 'r' : '-') +
    ((flags & VM_WRITE) !== 0 ? 'w' : '-') +
    ((flags & VM_EXEC) !== 0 ? 'x' : '-') +
    ((flags & VM_MAYSHARE) !== 0 ? 's' : 'p')
  );
}

/** Offset, device and inode. */
function backing(vma: Vma): string {
  if (vma.region !== null) return `${hex8(vma.offset)} 00:01 ${vma.region.ino}`;
  if (vma.file === null) return '00000000 00:00 0';
  const { inode } = vma.file;
  const { dev } = inode.fs;
  return `${hex8(vma.offset)} ${hex2(majorOf(dev))}:${hex2(minorOf(dev))} ${inode.ino}`;
}

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** What the last column shows; '' for nothing. A byte string. */
export function vmaName(mm: MemoryManager, vma: Vma, root: Path | null): string {
  if (vma.region !== null) return vma.name ?? vma.region.name;
  if (vma.file !== null)
    return (vma.file.linkText() ?? dPath(root ?? NO_ROOT, vma.file.path)).replaceAll('\n', '\\012');
  const { layout } = mm;
  if (vma.name !== null && !vma.name.startsWith('[anon')) return vma.name;
  if (
    vma.start <= layout.brk &&
    vma.end >= layout.startBrk &&
    layout.startBrk !== 0 &&
    !(layout.brk === layout.startBrk && vma.end === layout.startBrk)
  ) {
    return '[heap]';
  }
  if (vma.start <= layout.startStack && vma.end >= layout.startStack) return '[stack]';
  return vma.name ?? '';
}
