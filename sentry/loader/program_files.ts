// SPDX-License-Identifier: Apache-2.0

/**
 * From the path execve got to the ELF file that runs: scripts are followed to their interpreter, headers are read.
 *
 * Linux:      fs/exec.c (exec_binprm, search_binary_handler), fs/binfmt_script.c
 * Invariants: holds one reference of each open file until release().
 */
import { EIO, ELIBBAD, ELOOP, ENOENT, ENOEXEC, isErrno, type Errno } from '../../platform/abi/linux/errno.ts';
import { BufferIo } from '../vfs/io.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { ByteString } from '../vfs/inode.ts';
import { type ElfImage, parseElf } from './elf.ts';
import { isScript, parseScript } from './script.ts';

/** Scripts whose interpreter is a script, and so on. */
const MAX_SCRIPT_DEPTH = 5;
/** One read that usually gets all headers. */
const HEAD_SIZE = 4096;

export interface ProgramFiles {
  readonly file: FileDescription;
  readonly image: ElfImage;
  /** The ELF interpreter; null for static programs. */
  readonly interpreter: { readonly file: FileDescription; readonly image: ElfImage } | null;
  /** argv as the program gets it. */
  readonly argv: readonly ByteString[];
}

/** Opens a file for execution by path. */
export type OpenProgram = (path: ByteString) => FileDescription | Errno;

/**
 * Finds the ELF files for `file` (one reference of which is taken over) under the name `path`.
 * Errors: ENOEXEC, ELOOP, ELIBBAD, EIO and those of opening.
 */
export function findProgram(
  ctx: IoContext,
  first: FileDescription,
  path: ByteString,
  argv: readonly ByteString[],
  open: OpenProgram,
  isUnreachable: boolean,
): ProgramFiles | Errno {
  let file = first;
  let name = path;
  let args = argv;
  for (let depth = 0; ; depth++) {
    const head = readAt(ctx, file, 0, HEAD_SIZE);
    if (isErrno(head) || !isScript(head)) {
      const found = isErrno(head) ? head : openImage(ctx, file, head, open);
      if (isErrno(found)) file.decRef();
      return isErrno(found) ? found : { file, ...found, argv: args };
    }
    const line = parseScript(head);
    file.decRef();
    if (isErrno(line)) return line;
    if (isUnreachable && depth === 0) return ENOENT;
    if (depth >= MAX_SCRIPT_DEPTH) return ELOOP;
    args = [line.interpreter, ...(line.argument === null ? [] : [line.argument]), name, ...args.slice(1)];
    name = line.interpreter;
    const next = open(name);
    if (isErrno(next)) return next;
    file = next;
  }
}

function openImage(
  ctx: IoContext,
  file: FileDescription,
  head: Uint8Array,
  open: OpenProgram,
): Omit<ProgramFiles, 'file' | 'argv'> | Errno {
  const image = parseElf(head, (offset, length) => readAt(ctx, file, offset, length));
  if (isErrno(image)) return image;
  if (image.interpreter === null) return { image, interpreter: null };
  const loader = open(image.interpreter);
  if (isErrno(loader)) return loader;
  const loaderHead = readAt(ctx, loader, 0, HEAD_SIZE);
  let parsed: ElfImage | Errno = EIO;
  if (!isErrno(loaderHead) && loaderHead.length >= 64)
    parsed = parseElf(loaderHead, (offset, length) => readAt(ctx, loader, offset, length));
  if (!isErrno(parsed)) return { image, interpreter: { file: loader, image: parsed } };
  loader.decRef();
  return parsed === ENOEXEC ? ELIBBAD : parsed;
}

/** Reads up to `length` bytes; fewer at end of file. */
export function readAt(ctx: IoContext, file: FileDescription, offset: number, length: number): Uint8Array | Errno {
  const buffer = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const io = new BufferIo(buffer.subarray(done));
    const n = file.pread(ctx, io, offset + done);
    if (n < 0) return n as Errno;
    if (n === 0) break;
    done += n;
  }
  return buffer.subarray(0, done);
}
