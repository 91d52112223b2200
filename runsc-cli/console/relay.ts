// SPDX-License-Identifier: Apache-2.0

/**
 * Carries bytes between the caller's standard descriptors and a container's terminal that the command holds the master of: for
 * `run` and `exec` in the foreground with a terminal where the caller's descriptors are not one themselves.
 *
 * Invariants: nothing here blocks: each direction reads only when what it read before is written. The caller's terminal is raw meanwhile.
 */
import { fcntl, ioctl } from '../../platform/ffi/files.ts';
import { close, poll, read, tcgetattr, tcsetattr, write } from '../../platform/ffi/lifecycle.ts';
import { type ConsoleSize, TIOCGWINSZ, TIOCSWINSZ } from './pty.ts';

const POLLIN = 1;
const POLLOUT = 4;
const ENDED = 8 | 16 | 32;
const EAGAIN = -11;
const EINTR = -4;
const F_SETFL = 4;
const O_RDWR_NONBLOCK = 2 | 0o4000;
/** What a pipe takes without blocking when it takes anything. */
const CHUNK = 4096;
/** How long the last output may take to arrive. */
const DRAIN_MS = 2000;

export interface PollEntry {
  fd: number;
  events: number;
  revents: number;
}

/** One direction. */
class Flow {
  readonly from: PollEntry;
  readonly to: PollEntry;
  private readonly buffer = Buffer.alloc(CHUNK);
  private start = 0;
  private end = 0;
  isOver = false;

  constructor(from: number, to: number) {
    this.from = { fd: from, events: POLLIN, revents: 0 };
    this.to = { fd: to, events: POLLOUT, revents: 0 };
  }

  /** What it waits for now. */
  wanted(): PollEntry[] {
    if (this.isOver) return [];
    return [this.start < this.end ? this.to : this.from];
  }

  move(): void {
    if (this.isOver) return;
    if (this.start < this.end) this.put();
    else if (this.from.revents !== 0) this.take();
    this.from.revents = this.to.revents = 0;
  }

  private take(): void {
    const n = read(this.from.fd, this.buffer);
    if (n === EAGAIN || n === EINTR) return;
    this.start = 0;
    this.end = Math.max(0, n);
    // The end of file, or (EIO) nobody has the terminal open any more.
    if (n <= 0) this.isOver = true;
    else this.put();
  }

  private put(): void {
    const entry = { ...this.to };
    if (poll([entry], 0) <= 0) return;
    const n = (entry.revents & ENDED) !== 0 && (entry.revents & POLLOUT) === 0 ? -1 : write(this.to.fd, this.buffer.subarray(this.start, this.end));
    if (n === EAGAIN || n === EINTR) return;
    // Nobody reads it: the container goes on without a reader.
    this.start = n < 0 ? this.end : this.start + n;
  }
}

export class TerminalRelay {
  private readonly master: number;
  private readonly input: Flow;
  private readonly output: Flow;
  private readonly saved: Buffer | null;

  /** Takes the master over. The size is the configuration's, or that of the caller's terminal. */
  constructor(master: number, size: ConsoleSize | null) {
    this.master = master;
    fcntl(master, F_SETFL, O_RDWR_NONBLOCK);
    this.input = new Flow(0, master);
    this.output = new Flow(master, 1);
    this.saved = tcgetattr(0);
    clearOnlcr(master);
    if (this.saved !== null) tcsetattr(0, raw(this.saved));
    if (size === null) this.resize();
  }

  /** The caller's terminal has another size now. */
  resize(): void {
    const size = new Int32Array(2);
    if (ioctl(0, TIOCGWINSZ, size) >= 0) ioctl(this.master, TIOCSWINSZ, size);
  }

  /** What to wait for; move() when there is something. */
  wanted(): PollEntry[] {
    return [...this.input.wanted(), ...this.output.wanted()];
  }

  move(): void {
    this.input.move();
    this.output.move();
  }

  /** Brings out what was written last, and restores the caller's terminal. */
  finish(): void {
    const deadline = Date.now() + DRAIN_MS;
    while (!this.output.isOver && Date.now() < deadline) {
      if (poll(this.output.wanted(), 100) === 0 && this.output.wanted()[0]?.fd === this.master) break;
      this.output.move();
    }
    if (this.saved !== null) tcsetattr(0, this.saved);
    close(this.master);
  }
}

const OFLAG = 4;
const ONLCR = 0o4;

/** The container's lines end as it wrote them: what shows them, the caller's terminal, makes \r\n of them, and a pipe wants none. */
function clearOnlcr(master: number): void {
  const attributes = tcgetattr(master);
  if (attributes === null) return;
  attributes.writeUInt32LE((attributes.readUInt32LE(OFLAG) & ~ONLCR) >>> 0, OFLAG);
  tcsetattr(master, attributes);
}

/** cfmakeraw(3) of a struct termios (iflag, oflag, cflag, lflag, then line and control characters), but with its output processing. */
function raw(attributes: Buffer): Buffer {
  const out = Buffer.from(attributes);
  const clear = (at: number, bits: number): void => void out.writeUInt32LE((out.readUInt32LE(at) & ~bits) >>> 0, at);
  clear(0, 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000);
  clear(8, 0o60 | 0o400);
  out.writeUInt32LE((out.readUInt32LE(8) | 0o60) >>> 0, 8);
  clear(12, 0o1 | 0o2 | 0o10 | 0o100 | 0o100000);
  return out;
}

/** Are the caller's standard descriptors all terminals? Then the container can have them as they are. */
export function hasTerminalStdio(): boolean {
  return [0, 1, 2].every((fd) => tcgetattr(fd) !== null);
}
