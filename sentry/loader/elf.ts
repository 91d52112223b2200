// SPDX-License-Identifier: Apache-2.0

/**
 * Reads ELF64 headers out of untrusted bytes.
 *
 * Linux:      fs/binfmt_elf.c (load_elf_phdrs, the checks at the head of load_elf_binary)
 * Invariants: no field is used before it is checked; a Number read from a 64-bit field may be inexact above 2^53, which
 *             every address check rejects.
 */
import {
  EHDR_SIZE,
  ELF_MAGIC,
  EM_X86_64,
  ET_DYN,
  ET_EXEC,
  PF_X,
  PHDR_SIZE,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
} from '../../platform/abi/linux/elf.ts';
import { EINVAL, EIO, ENOEXEC, isErrno, type Errno } from '../../platform/abi/linux/errno.ts';
import type { ByteString } from '../vfs/inode.ts';

/** Longest program header table, as in Linux. */
const MAX_PHDRS_SIZE = 65536;
const PATH_MAX = 4096;

/** One PT_LOAD. */
export interface Segment {
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly fileSize: number;
  readonly memSize: number;
}

export interface ElfImage {
  readonly isPositionIndependent: boolean;
  readonly entry: number;
  /** Address of the program headers before relocation; 0 when no segment holds them. */
  readonly phdrAddress: number;
  readonly phnum: number;
  readonly segments: readonly Segment[];
  /** Path of PT_INTERP; null: none. */
  readonly interpreter: ByteString | null;
  /** PT_GNU_STACK asks for an executable stack. */
  readonly hasExecutableStack: boolean;
  /** Largest power-of-two p_align of the segments, at least a page. */
  readonly alignment: number;
}

/** Reads `length` bytes at `offset` into a fresh array, which is shorter at end of file. */
export type ReadAt = (offset: number, length: number) => Uint8Array | Errno;

/**
 * Parses the headers. `head` holds the start of the file (as much as one read gave), `readAt` gets what lies beyond.
 * Errors: ENOEXEC (not an x86-64 ELF program, broken headers), EIO (interpreter path cut off), EINVAL (impossible segments).
 */
export function parseElf(head: Uint8Array, readAt: ReadAt): ElfImage | Errno {
  if (head.length < EHDR_SIZE) return ENOEXEC;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (view.getUint32(0, true) !== ELF_MAGIC) return ENOEXEC;
  const type = view.getUint16(16, true);
  if ((type !== ET_EXEC && type !== ET_DYN) || view.getUint16(18, true) !== EM_X86_64) return ENOEXEC;
  const phnum = view.getUint16(56, true);
  const size = phnum * PHDR_SIZE;
  if (view.getUint16(54, true) !== PHDR_SIZE || size === 0 || size > MAX_PHDRS_SIZE) return ENOEXEC;
  const phoff = u64(view, 32);
  const table = piece(head, readAt, phoff, size);
  if (isErrno(table) || table.length < size) return ENOEXEC;
  return fromTable(table, { type, entry: u64(view, 24), phoff, phnum }, (offset, length) =>
    piece(head, readAt, offset, length),
  );
}

interface Header {
  type: number;
  entry: number;
  phoff: number;
  phnum: number;
}

function fromTable(table: Uint8Array, header: Header, read: ReadAt): ElfImage | Errno {
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  const segments: Segment[] = [];
  let interpreter: ByteString | null = null;
  let hasExecutableStack = false;
  let alignment = 4096;
  let phdrAddress = 0;
  for (let at = 0; at < header.phnum * PHDR_SIZE; at += PHDR_SIZE) {
    const kind = view.getUint32(at, true);
    if (kind === PT_GNU_STACK) hasExecutableStack = (view.getUint32(at + 4, true) & PF_X) !== 0;
    if (kind === PT_INTERP && interpreter === null) {
      const path = interpreterPath(read, u64(view, at + 8), u64(view, at + 32));
      if (isErrno(path)) return path;
      interpreter = path;
    }
    if (kind !== PT_LOAD) continue;
    const segment = readSegment(view, at);
    const align = u64(view, at + 48);
    if (align > alignment && align <= 2 ** 40 && Number.isInteger(Math.log2(align))) alignment = align;
    if (segment.offset <= header.phoff && header.phoff < segment.offset + segment.fileSize)
      phdrAddress = header.phoff - segment.offset + segment.vaddr;
    segments.push(segment);
  }
  return {
    isPositionIndependent: header.type === ET_DYN,
    entry: header.entry,
    phdrAddress,
    phnum: header.phnum,
    segments,
    interpreter,
    hasExecutableStack,
    alignment,
  };
}

function readSegment(view: DataView, at: number): Segment {
  return {
    flags: view.getUint32(at + 4, true),
    offset: u64(view, at + 8),
    vaddr: u64(view, at + 16),
    fileSize: u64(view, at + 32),
    memSize: u64(view, at + 40),
  };
}

function interpreterPath(read: ReadAt, offset: number, size: number): ByteString | Errno {
  if (size > PATH_MAX || size < 2) return ENOEXEC;
  const bytes = read(offset, size);
  if (isErrno(bytes)) return bytes;
  if (bytes.length < size) return EIO;
  if (bytes[size - 1] !== 0) return ENOEXEC;
  const text = Buffer.from(bytes).toString('latin1');
  return text.slice(0, text.indexOf('\0'));
}

/** Bytes [offset, offset+length) of the file, out of `head` when it has them. */
function piece(head: Uint8Array, readAt: ReadAt, offset: number, length: number): Uint8Array | Errno {
  if (offset + length <= head.length) return head.subarray(offset, offset + length);
  return offset + length > Number.MAX_SAFE_INTEGER ? EINVAL : readAt(offset, length);
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}
