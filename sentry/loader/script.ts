// SPDX-License-Identifier: Apache-2.0

/**
 * The `#!` line.
 *
 * Linux: fs/binfmt_script.c (load_script); execve(2)
 */
import { ENOEXEC, type Errno } from '../../platform/abi/linux/errno.ts';
import type { ByteString } from '../vfs/inode.ts';

/** BINPRM_BUF_SIZE: what of the file Linux looks at. */
const LINE_SIZE = 256;

export interface ScriptLine {
  readonly interpreter: ByteString;
  /** Everything after the interpreter, as one argument; null: none. */
  readonly argument: ByteString | null;
}

/** True when the file starts with "#!". */
export function isScript(head: Uint8Array): boolean {
  return head.length >= 2 && head[0] === 0x23 && head[1] === 0x21;
}

/** Takes the first line apart. Errors: ENOEXEC when it names no interpreter or the name may be cut off. */
export function parseScript(head: Uint8Array): ScriptLine | Errno {
  const line = Buffer.alloc(LINE_SIZE);
  line.set(head.subarray(0, LINE_SIZE));
  const text = line.toString('latin1');
  let end = text.indexOf('\n');
  if (end < 0) {
    const first = nextOther(text, 2, LINE_SIZE - 1);
    if (first < 0 || nextTerminator(text, first, LINE_SIZE - 1) < 0) return ENOEXEC;
    end = LINE_SIZE - 1;
  }
  while (isBlank(text[end - 1])) end--;
  const start = nextOther(text, 2, end);
  if (start < 0 || start === end) return ENOEXEC;
  const separator = nextTerminator(text, start, end);
  let argument: ByteString | null = null;
  if (separator >= 0 && separator < end && text[separator] !== '\0') {
    const at = nextOther(text, separator, end);
    if (at >= 0 && at < end) argument = cString(text.slice(at, end));
  }
  const interpreter = cString(text.slice(start, separator >= 0 ? Math.min(separator, end) : end));
  return interpreter === '' ? ENOEXEC : { interpreter, argument };
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t';
}
function nextOther(text: string, from: number, last: number): number {
  for (let i = from; i <= last; i++) if (!isBlank(text[i])) return i;
  return -1;
}
function nextTerminator(text: string, from: number, last: number): number {
  for (let i = from; i <= last; i++) if (isBlank(text[i]) || text[i] === '\0') return i;
  return -1;
}
function cString(text: string): string {
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}
