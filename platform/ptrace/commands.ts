// SPDX-License-Identifier: Apache-2.0

/**
 * The command page: a list of host system calls a stub performs in one go.
 *
 * The page is one memfd mapped writable in the Sentry and read-only, at the same address, in every stub: writing a command costs
 * a store. Only one list is in flight at a time.
 *
 * Invariants: application threads can read the page but not write it, so no other thread can change a list while it runs.
 */
import { COMMAND_IGNORE_ERROR, COMMAND_LAST, COMMAND_SIZE } from '../asm/stub_code.ts';
import { viewMemory } from '../ffi/native.ts';

const TWO_32 = 4294967296;
/** Commands one list holds. */
export const MAX_COMMANDS = 60;
/** Offset of the bytes a command may point to. */
const DATA_OFFSET = MAX_COMMANDS * COMMAND_SIZE;
const WORDS = COMMAND_SIZE / 4;

export class CommandPage {
  readonly addr: number;
  /** Address of `dataBytes` free bytes for arguments passed by reference. */
  readonly dataAddr: number;
  readonly data: Uint8Array;
  /** A futex the first stub waits on. */
  readonly futexAddr: number;
  readonly futex: Int32Array;
  private readonly words: Int32Array;
  private count = 0;

  constructor(addr: number) {
    this.addr = addr;
    const bytes = viewMemory(addr, 4096);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, 1024);
    this.dataAddr = addr + DATA_OFFSET;
    this.data = new Uint8Array(bytes.buffer, bytes.byteOffset + DATA_OFFSET, 4088 - DATA_OFFSET);
    this.futexAddr = addr + 4088;
    this.futex = new Int32Array(bytes.buffer, bytes.byteOffset + 4088, 1);
  }

  get length(): number {
    return this.count;
  }

  /** Starts a new list. */
  clear(): void {
    this.count = 0;
  }

  /** Appends a system call. The list must have room (MAX_COMMANDS). */
  add(nr: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    const at = this.count * WORDS;
    this.set(at, nr);
    this.set(at + 2, a);
    this.set(at + 4, b);
    this.set(at + 6, c);
    this.set(at + 8, d);
    this.set(at + 10, e);
    this.set(at + 12, f);
    this.words[at + 14] = 0;
    this.count++;
  }

  /** Puts a system call in front of the list; it may fail. The list must have room. */
  prepend(nr: number, a: number, b: number): void {
    this.words.copyWithin(WORDS, 0, this.count * WORDS);
    const count = this.count;
    this.count = 0;
    this.add(nr, a, b);
    this.ignoreError();
    this.count = count + 1;
  }

  /** Lets the list go on when the last added call fails. */
  ignoreError(): void {
    const at = (this.count - 1) * WORDS + 14;
    this.words[at] = (this.words[at] as number) | COMMAND_IGNORE_ERROR;
  }

  /** Marks the end of the list. */
  seal(): void {
    const at = (this.count - 1) * WORDS + 14;
    this.words[at] = (this.words[at] as number) | COMMAND_LAST;
  }

  private set(at: number, value: number): void {
    const hi = Math.floor(value / TWO_32);
    this.words[at] = value - hi * TWO_32;
    this.words[at + 1] = hi;
  }
}
