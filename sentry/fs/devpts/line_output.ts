// SPDX-License-Identifier: Apache-2.0

/**
 * The output half of the line discipline: OPOST processing into the bytes the master reads.
 *
 * Linux:      drivers/tty/n_tty.c (do_output_char)
 * Invariants: at most OUTPUT_MAX bytes wait for the master.
 */
import type { IoSequence } from '../../vfs/io.ts';
import { OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, XTABS } from '../../../platform/abi/linux/termios.ts';
import { TABDLY, type Termios } from './termios.ts';

const OUTPUT_MAX = 65536;
const NEWLINE = 10;
const RETURN = 13;
const TAB = 9;
const BACKSPACE = 8;

export class LineOutput {
  private readonly termios: Termios;
  private chunks: Uint8Array[] = [];
  private offset = 0;
  private bytes = 0;
  column = 0;

  constructor(termios: Termios) {
    this.termios = termios;
  }
  get available(): number {
    return this.bytes;
  }
  get room(): number {
    return Math.max(0, OUTPUT_MAX - this.bytes);
  }
  flush(): void {
    this.chunks = [];
    this.offset = 0;
    this.bytes = 0;
  }

  /** Processes as much as there is room for; returns how many bytes of the input were taken. */
  write(input: Uint8Array): number {
    if ((this.termios.oflag & OPOST) === 0) {
      const n = Math.min(input.length, this.room);
      if (n > 0) this.push(input.slice(0, n));
      return n;
    }
    const out: number[] = [];
    let taken = 0;
    for (const byte of input) {
      if (this.room - out.length < 8) break;
      this.process(byte, out);
      taken++;
    }
    if (out.length > 0) this.push(Uint8Array.from(out));
    return taken;
  }

  /** Gives the master what there is. */
  read(io: IoSequence): number {
    let done = 0;
    while (io.remaining > 0 && this.chunks.length > 0) {
      const first = this.chunks[0] as Uint8Array;
      const n = io.put(first, this.offset, Math.min(io.remaining, first.length - this.offset));
      if (n < 0) return done > 0 ? done : n;
      done += n;
      this.offset += n;
      this.bytes -= n;
      if (this.offset >= first.length) {
        this.chunks.shift();
        this.offset = 0;
      }
    }
    return done;
  }

  /** Puts one byte before everything that waits. */
  pushFirst(byte: number): void {
    if (this.offset > 0) this.chunks[0] = (this.chunks[0] as Uint8Array).subarray(this.offset);
    this.offset = 0;
    this.chunks.unshift(Uint8Array.of(byte));
    this.bytes++;
  }

  private push(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.bytes += bytes.length;
  }

  private process(byte: number, out: number[]): void {
    const { oflag } = this.termios;
    let c = byte;
    switch (c) {
      case NEWLINE:
        if ((oflag & ONLRET) !== 0) this.column = 0;
        if ((oflag & ONLCR) !== 0) {
          this.column = 0;
          out.push(RETURN);
        }
        break;
      case RETURN:
        if ((oflag & ONOCR) !== 0 && this.column === 0) return;
        if ((oflag & OCRNL) !== 0) {
          c = NEWLINE;
          if ((oflag & ONLRET) !== 0) this.column = 0;
        } else this.column = 0;
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        this.column += spaces;
        if ((oflag & TABDLY) === XTABS) {
          for (let i = 0; i < spaces; i++) out.push(32);
          return;
        }
        break;
      }
      case BACKSPACE:
        if (this.column > 0) this.column--;
        break;
      default:
        if (c >= 32 && c !== 127) {
          if ((oflag & OLCUC) !== 0 && c >= 97 && c <= 122) c -= 32;
          if ((c & 0xc0) !== 0x80) this.column++;
        }
    }
    out.push(c);
  }
}
