// SPDX-License-Identifier: Apache-2.0

/**
 * The input half of the line discipline: editing, signals, echo, and what read(2) may take.
 *
 * Linux:      drivers/tty/n_tty.c (n_tty_receive_char, eraser, canon_copy_from_read_buf)
 * Invariants: `ready` holds what can be read; in canonical mode one record is one line (or the end-of-file mark). `line` is
 *             the line being edited, at most LINE_MAX bytes. Neither grows beyond its bound whatever is typed.
 */
import { SIGINT, SIGQUIT, SIGTSTP } from '../../../platform/abi/linux/signal.ts';
import { WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import type { IoSequence } from '../../vfs/io.ts';
import {
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  ECHONL,
  EXTPROC,
  ICRNL,
  IEXTEN,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IUCLC,
  IUTF8,
  IXANY,
  IXON,
  NOFLSH,
  PARMRK,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VMIN,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTOP,
  VSUSP,
  VTIME,
  VWERASE,
} from '../../../platform/abi/linux/termios.ts';
import type { Termios } from './termios.ts';

const LINE_MAX = 4095;
/** Bytes waiting to be read at which a writer on the other side is held up. */
export const INPUT_MAX = 65536;
const NEWLINE = 10;
const RETURN = 13;
const TAB = 9;
const BACKSPACE = 8;
const DEL = 127;

interface Record_ {
  bytes: Uint8Array;
  offset: number;
  /** VEOF on an empty line: a read gives 0. */
  isEof: boolean;
}

/** What the discipline asks of its terminal. */
export interface InputHost {
  readonly termios: Termios;
  /** Sends echo through output processing. */
  echo(bytes: readonly number[]): void;
  /** Current output column, for erasing tabs. */
  readonly column: number;
  /** Sends a signal to the foreground process group. */
  signal(signo: number): void;
  flushOutput(): void;
  setStopped(stopped: boolean): void;
  readonly isStopped: boolean;
  /** New input can be read. */
  inputReady(): void;
}

export class LineInput {
  private readonly host: InputHost;
  private ready: Record_[] = [];
  private readyBytes = 0;
  private line: number[] = [];
  private lineColumn = 0;
  private literalNext = false;

  constructor(host: InputHost) {
    this.host = host;
  }

  /** Bytes waiting (FIONREAD). */
  get available(): number {
    if (this.host.termios.isCanonical)
      return this.ready.length === 0 ? 0 : this.ready.reduce((n, r) => n + r.bytes.length - r.offset, 0);
    return this.readyBytes;
  }
  /** Is there room for a writer's bytes? A canonical line takes any number (what is too long is dropped). */
  get room(): number {
    return Math.max(0, INPUT_MAX - this.readyBytes);
  }
  /** Would a read give something (or end of file)? */
  get isReadable(): boolean {
    if (this.host.termios.isCanonical) return this.ready.length > 0;
    const min = this.host.termios.char(VTIME) === 0 ? this.host.termios.char(VMIN) : 1;
    return this.readyBytes >= Math.max(1, min);
  }
  /** Has a read of `count` bytes what it waits for: a line, or VMIN bytes? */
  hasEnough(count: number): boolean {
    if (this.host.termios.isCanonical) return this.ready.length > 0;
    return this.readyBytes >= Math.max(1, Math.min(count, this.host.termios.char(VMIN)));
  }

  flush(): void {
    this.ready = [];
    this.readyBytes = 0;
    this.line = [];
    this.literalNext = false;
  }

  /** The mode changed between canonical and not: what was being edited can be read at once. */
  modeChanged(): void {
    if (!this.host.termios.isCanonical && this.line.length > 0) this.complete();
    if (!this.host.termios.isCanonical) this.ready = this.ready.filter((r) => !r.isEof);
    if (this.ready.length > 0) this.host.inputReady();
  }

  /** Takes bytes typed on the other side. */
  receive(bytes: Uint8Array): void {
    const { termios } = this.host;
    const isPlain =
      !termios.isCanonical &&
      (termios.lflag & (ISIG | ECHO | EXTPROC)) === 0 &&
      (termios.iflag & (ISTRIP | IUCLC | INLCR | IGNCR | ICRNL | IXON | PARMRK)) === 0;
    if (isPlain || (termios.lflag & EXTPROC) !== 0) this.pushReady(bytes.slice());
    else for (const byte of bytes) this.receiveByte(byte);
    if (this.ready.length > 0) this.host.inputReady();
  }

  /** Gives a reader what there is. Returns bytes, 0 (end of file) or WOULD_BLOCK. */
  read(io: IoSequence): number {
    if (this.host.termios.isCanonical) return this.readLine(io);
    let done = 0;
    while (io.remaining > 0 && this.ready.length > 0) {
      const n = this.take(this.ready[0] as Record_, io);
      if (n < 0) return done > 0 ? done : n;
      done += n;
    }
    return done > 0 ? done : WOULD_BLOCK;
  }

  private readLine(io: IoSequence): number {
    const record = this.ready[0];
    if (record === undefined) return WOULD_BLOCK;
    if (record.isEof) {
      this.ready.shift();
      return 0;
    }
    return this.take(record, io);
  }

  private take(record: Record_, io: IoSequence): number {
    const n = io.put(record.bytes, record.offset, Math.min(io.remaining, record.bytes.length - record.offset));
    if (n < 0) return n;
    record.offset += n;
    this.readyBytes -= n;
    if (record.offset >= record.bytes.length) this.ready.shift();
    return n;
  }

  private pushReady(bytes: Uint8Array): void {
    const kept = bytes.length > this.room ? bytes.subarray(0, this.room) : bytes;
    if (kept.length === 0) return;
    const last = this.ready[this.ready.length - 1];
    if (!this.host.termios.isCanonical && last !== undefined && last.bytes.length < 256 && kept.length < 256) {
      last.bytes = Buffer.concat([last.bytes.subarray(last.offset), kept]);
      last.offset = 0;
    } else this.ready.push({ bytes: kept, offset: 0, isEof: false });
    this.readyBytes += kept.length;
  }

  private receiveByte(byte: number): void {
    const { termios } = this.host;
    let c = (termios.iflag & ISTRIP) !== 0 ? byte & 0x7f : byte;
    if ((termios.iflag & IUCLC) !== 0 && (termios.lflag & IEXTEN) !== 0 && c >= 65 && c <= 90) c += 32;
    if (this.literalNext) {
      this.literalNext = false;
      this.echoByte(c);
      this.put(c);
      return;
    }
    if (this.host.isStopped && (termios.iflag & (IXON | IXANY)) === (IXON | IXANY) && (termios.lflag & ISIG) === 0)
      this.host.setStopped(false);
    if (this.flowControl(c) || this.signalChar(c)) return;
    if (c === RETURN) {
      if ((termios.iflag & IGNCR) !== 0) return;
      if ((termios.iflag & ICRNL) !== 0) c = NEWLINE;
    } else if (c === NEWLINE && (termios.iflag & INLCR) !== 0) c = RETURN;
    if (termios.isCanonical && this.editChar(c)) return;
    if ((termios.lflag & ECHO) !== 0) {
      if (this.line.length === 0) this.lineColumn = this.host.column;
      if (c === NEWLINE) this.host.echo([NEWLINE]);
      else this.echoByte(c);
    }
    if (c === 0xff && (termios.iflag & PARMRK) !== 0) this.put(c);
    this.put(c);
  }

  private flowControl(c: number): boolean {
    const { termios } = this.host;
    if ((termios.iflag & IXON) === 0) return false;
    if (termios.isChar(c, VSTART)) this.host.setStopped(false);
    else if (termios.isChar(c, VSTOP)) this.host.setStopped(true);
    else return false;
    return true;
  }

  private signalChar(c: number): boolean {
    const { termios } = this.host;
    if ((termios.lflag & ISIG) === 0) return false;
    let signo = 0;
    if (termios.isChar(c, VINTR)) signo = SIGINT;
    else if (termios.isChar(c, VQUIT)) signo = SIGQUIT;
    else if (termios.isChar(c, VSUSP)) signo = SIGTSTP;
    if (signo === 0) return false;
    if ((termios.lflag & NOFLSH) === 0) {
      this.flush();
      this.host.flushOutput();
    }
    this.host.signal(signo);
    if ((termios.iflag & IXON) !== 0) this.host.setStopped(false);
    this.echoByte(c);
    return true;
  }

  /** Canonical editing. True when the byte was dealt with. */
  private editChar(c: number): boolean {
    const { termios } = this.host;
    const isExtended = (termios.lflag & IEXTEN) !== 0;
    if (termios.isChar(c, VERASE)) this.eraseOne(c);
    else if (termios.isChar(c, VKILL)) this.kill(c);
    else if (isExtended && termios.isChar(c, VWERASE)) this.eraseWord();
    else if (isExtended && termios.isChar(c, VLNEXT)) {
      this.literalNext = true;
      if ((termios.lflag & (ECHO | ECHOCTL)) === (ECHO | ECHOCTL)) this.host.echo([94, BACKSPACE]);
    } else if (isExtended && (termios.lflag & ECHO) !== 0 && termios.isChar(c, VREPRINT)) this.reprint(c);
    else if (c === NEWLINE) {
      if ((termios.lflag & (ECHO | ECHONL)) !== 0) this.host.echo([NEWLINE]);
      this.line.push(NEWLINE);
      this.complete();
    } else if (termios.isChar(c, VEOF)) {
      if (this.line.length > 0) this.complete();
      else this.ready.push({ bytes: new Uint8Array(0), offset: 0, isEof: true });
    } else if (termios.isChar(c, VEOL) || (isExtended && termios.isChar(c, VEOL2))) {
      this.echoByte(c);
      this.line.push(c);
      this.complete();
    } else return false;
    return true;
  }

  private put(c: number): void {
    if (!this.host.termios.isCanonical) this.pushReady(Uint8Array.of(c));
    else if (this.line.length < LINE_MAX) this.line.push(c);
  }

  private complete(): void {
    const bytes = Uint8Array.from(this.line);
    this.line = [];
    if (bytes.length > this.room) return;
    this.ready.push({ bytes, offset: 0, isEof: false });
    this.readyBytes += bytes.length;
  }

  /** Echoes one byte, control characters as ^X. */
  private echoByte(c: number): void {
    const { lflag } = this.host.termios;
    if ((lflag & ECHO) === 0) return;
    const isControl = (c < 32 && c !== TAB) || c === DEL;
    this.host.echo(isControl && (lflag & ECHOCTL) !== 0 ? [94, c ^ 64] : [c]);
  }

  private eraseOne(c: number): void {
    if (this.line.length === 0) return;
    const { lflag } = this.host.termios;
    const removed = this.dropLast();
    if ((lflag & ECHO) === 0) return;
    if ((lflag & ECHOE) === 0) this.echoByte(c);
    else this.unecho(removed);
  }

  private eraseWord(): void {
    const isWord = (c: number): boolean =>
      (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c >= 128;
    const shows = (this.host.termios.lflag & ECHO) !== 0;
    let seen = false;
    while (this.line.length > 0) {
      const last = this.line[this.line.length - 1] as number;
      if (isWord(last)) seen = true;
      else if (seen) return;
      const removed = this.dropLast();
      if (shows) this.unecho(removed);
    }
  }

  private kill(c: number): void {
    if (this.line.length === 0) return;
    const { lflag } = this.host.termios;
    const shows = (lflag & ECHO) !== 0;
    if (shows && (lflag & (ECHOK | ECHOKE | ECHOE)) === (ECHOK | ECHOKE | ECHOE)) {
      while (this.line.length > 0) this.unecho(this.dropLast());
      return;
    }
    this.line = [];
    if (!shows) return;
    this.echoByte(c);
    if ((lflag & ECHOK) !== 0) this.host.echo([NEWLINE]);
  }

  private reprint(c: number): void {
    this.echoByte(c);
    this.host.echo([NEWLINE]);
    for (const byte of this.line) this.echoByte(byte);
  }

  /** Removes the last character (all bytes of it with IUTF8) and returns its first byte. */
  private dropLast(): number {
    let c = this.line.pop() as number;
    if ((this.host.termios.iflag & IUTF8) !== 0)
      while ((c & 0xc0) === 0x80 && this.line.length > 0) c = this.line.pop() as number;
    return c;
  }

  /** Wipes the echo of one erased character from the screen. */
  private unecho(c: number): void {
    const hasControlEcho = (this.host.termios.lflag & ECHOCTL) !== 0;
    let width = 1;
    if (c === TAB) {
      let column = this.lineColumn;
      for (const byte of this.line)
        column +=
          byte === TAB
            ? 8 - (column & 7)
            : (byte < 32 || byte === DEL) && hasControlEcho
              ? 2
              : (byte & 0xc0) === 0x80
                ? 0
                : 1;
      for (let n = 8 - (column & 7); n > 0; n--) this.host.echo([BACKSPACE]);
      return;
    }
    if (c < 32 || c === DEL) width = hasControlEcho ? 2 : 0;
    for (; width > 0; width--) this.host.echo([BACKSPACE, 32, BACKSPACE]);
  }
}
