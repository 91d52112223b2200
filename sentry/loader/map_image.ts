// SPDX-License-Identifier: Apache-2.0

/**
 * Maps the segments of one ELF file.
 *
 * Linux: fs/binfmt_elf.c (elf_map, elf_load, total_mapping_size)
 */
import { PF_R, PF_W, PF_X } from '../../platform/abi/linux/elf.ts';
import { EEXIST, EINVAL, ENODEV, ENOMEM, type Errno } from '../../platform/abi/linux/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../platform/abi/linux/mman.ts';
import { unmappedArea } from '../mm/address_search.ts';
import { NO_LIMITS, type MemoryManager } from '../mm/memory_manager.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { ElfImage, Segment } from './elf.ts';

/** Things to do once the mappings exist: clear the rest of a file page, or fill memory that could not be mapped. */
export interface Fixup {
  readonly addr: number;
  readonly length: number;
  /** Bytes come from here; null: zeros. */
  readonly file: FileDescription | null;
  readonly offset: number;
  /** Protection to set after filling; -1: leave. */
  readonly prot: number;
}

export interface MappedImage {
  readonly bias: number;
  /** Lowest address mapped. */
  readonly start: number;
  readonly startCode: number;
  readonly endCode: number;
  readonly startData: number;
  readonly endData: number;
  /** End of the highest segment, not rounded. */
  readonly end: number;
}

/** Where an image goes: at its own addresses plus `bias`, or 'anywhere' in the mmap area. */
export type Placement = { readonly bias: number } | 'anywhere';

/**
 * Maps all segments of `image` from `file` into `mm` and appends what is to be done afterwards to `fixups`.
 * Errors: EINVAL (segments that cannot be), ENOMEM, those of mmap.
 */
export function mapImage(
  mm: MemoryManager,
  ctx: IoContext,
  file: FileDescription,
  image: ElfImage,
  placement: Placement,
  fixups: Fixup[],
): MappedImage | Errno {
  const { maxAddr } = mm.addressSpace.layout;
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const s of image.segments) {
    if (
      s.fileSize > s.memSize ||
      s.memSize > maxAddr ||
      s.vaddr > maxAddr - s.memSize ||
      s.offset > Number.MAX_SAFE_INTEGER
    )
      return EINVAL;
    if ((s.vaddr - s.offset) % PAGE_SIZE !== 0 && s.fileSize > 0) return EINVAL;
    low = Math.min(low, pageDown(s.vaddr));
    high = Math.max(high, s.vaddr + s.memSize);
  }
  if (image.segments.length === 0) return EINVAL;
  const bias = placement === 'anywhere' ? biasFor(mm, low, high, image.alignment) : placement.bias;
  if (bias + low < 0 || bias + high > maxAddr) return ENOMEM;
  let fixed = MAP_FIXED_NOREPLACE;
  for (const segment of image.segments) {
    const result = mapSegment(mm, ctx, file, segment, bias, fixed, fixups);
    if (result < 0) return result as Errno;
    fixed = MAP_FIXED;
  }
  return summary(image, bias, low, high);
}

function biasFor(mm: MemoryManager, low: number, high: number, alignment: number): number {
  const length = pageUp(high) - low;
  const room = alignment > PAGE_SIZE ? length + alignment : length;
  const at = unmappedArea(mm, 0, room, 0, false);
  if (at < 0) return Number.NEGATIVE_INFINITY;
  return Math.ceil(at / alignment) * alignment - pageDownTo(low, alignment);
}

function mapSegment(
  mm: MemoryManager,
  ctx: IoContext,
  file: FileDescription,
  s: Segment,
  bias: number,
  fixed: number,
  fixups: Fixup[],
): number {
  const prot = protection(s.flags);
  const start = pageDown(s.vaddr + bias);
  let fileEnd = start;
  if (s.fileSize > 0) {
    const lead = s.vaddr + bias - start;
    fileEnd = pageUp(start + lead + s.fileSize);
    const request = {
      addr: start,
      length: fileEnd - start,
      prot,
      flags: MAP_PRIVATE | fixed,
      file,
      offset: s.offset - lead,
    };
    let result = mm.mmap(request, NO_LIMITS, ctx);
    if (result === ENODEV) {
      result = anonymous(mm, start, fileEnd - start, PROT_READ | PROT_WRITE, fixed);
      fixups.push({ addr: start, length: lead + s.fileSize, file, offset: s.offset - lead, prot });
    }
    if (result < 0) return result === EEXIST ? ENOMEM : result;
  }
  const zeroStart = s.vaddr + bias + s.fileSize;
  const end = s.vaddr + bias + s.memSize;
  if (s.memSize > s.fileSize && s.fileSize > 0 && (prot & PROT_WRITE) !== 0 && fileEnd > zeroStart) {
    fixups.push({ addr: zeroStart, length: fileEnd - zeroStart, file: null, offset: 0, prot: -1 });
  }
  const bssEnd = pageUp(end);
  return bssEnd > fileEnd
    ? anonymous(mm, fileEnd, bssEnd - fileEnd, PROT_READ | PROT_WRITE | (prot & PROT_EXEC), fixed)
    : 0;
}

function anonymous(mm: MemoryManager, addr: number, length: number, prot: number, fixed: number): number {
  const result = mm.mmap(
    { addr, length, prot, flags: MAP_PRIVATE | MAP_ANONYMOUS | fixed, file: null, offset: 0 },
    NO_LIMITS,
  );
  return result < 0 ? ENOMEM : 0;
}

function protection(flags: number): number {
  return (
    ((flags & PF_R) !== 0 ? PROT_READ : 0) |
    ((flags & PF_W) !== 0 ? PROT_WRITE : 0) |
    ((flags & PF_X) !== 0 ? PROT_EXEC : 0)
  );
}

function summary(image: ElfImage, bias: number, low: number, high: number): MappedImage {
  let startCode = Number.POSITIVE_INFINITY;
  let endCode = 0;
  let startData = 0;
  let endData = 0;
  for (const s of image.segments) {
    if ((s.flags & PF_X) !== 0) {
      startCode = Math.min(startCode, s.vaddr);
      endCode = Math.max(endCode, s.vaddr + s.fileSize);
    }
    startData = Math.max(startData, s.vaddr);
    endData = Math.max(endData, s.vaddr + s.fileSize);
  }
  if (startCode > endCode) startCode = endCode;
  return {
    bias,
    start: low + bias,
    startCode: startCode + bias,
    endCode: endCode + bias,
    startData: startData + bias,
    endData: endData + bias,
    end: high + bias,
  };
}

function pageDown(addr: number): number {
  return addr - (addr % PAGE_SIZE);
}
function pageDownTo(addr: number, step: number): number {
  return addr - (addr % step);
}
export function pageUp(addr: number): number {
  return Math.ceil(addr / PAGE_SIZE) * PAGE_SIZE;
}
