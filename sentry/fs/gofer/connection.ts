// SPDX-License-Identifier: Apache-2.0

/**
 * The Sentry's end of the Gofer connection: one synchronous round trip per call.
 *
 * Invariants: calls do not nest and replies come in order. A broken connection is final: every later call is EIO, and onDeath
 *             has been told once.
 */
import { EIO, ENFILE, EPROTO, type Errno } from '../../../platform/abi/linux/errno.ts';
import type { HostFiles } from '../../../platform/platform.ts';
import { isAttrRecord } from '../../../gofer/protocol/attr.ts';
import { decodeReply, encodeFrame, type WireValue } from '../../../gofer/protocol/codec.ts';
import { BATCH_MAX, BIND_PORT, FORGET, FRAME_MAX, HELLO, PROTOCOL_VERSION } from '../../../gofer/protocol/constants.ts';
import { ControlCache } from './control_cache.ts';
import type { HostWatches } from './host_watches.ts';

/** Carries frames; the real one is a SEQPACKET socket. */
export interface GoferTransport {
  /** Sends one frame, with a descriptor unless `passFd` is negative. Returns >= 0 or errno. */
  send(frame: Uint8Array, passFd?: number): number;
  /** Waits for one frame into `buffer`. Returns its length (0: the other end is gone) or errno. */
  receive(): number;
  readonly buffer: Uint8Array;
  /** Takes the descriptor that came with the last frame, or -1. */
  takeFd(): number;
}

const EINTR = -4;
const NO_FDS: readonly number[] = [];
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

/** The transport over a descriptor of the Sentry's. */
export class SocketTransport implements GoferTransport {
  readonly buffer = Buffer.allocUnsafeSlow(FRAME_MAX);
  private readonly files: HostFiles;
  private readonly fd: number;
  private readonly fds = new Int32Array(8);

  constructor(files: HostFiles, fd: number) {
    this.files = files;
    this.fd = fd;
  }

  send(frame: Uint8Array, passFd = -1): number {
    const fds = passFd < 0 ? NO_FDS : [passFd];
    for (;;) {
      const n = this.files.sendmsg(this.fd, frame, frame.length, fds, MSG_NOSIGNAL);
      if (n !== EINTR) return n;
    }
  }

  receive(): number {
    const unwanted = this.takeFd();
    if (unwanted >= 0) this.files.close(unwanted);
    for (;;) {
      const n = this.files.recvmsg(this.fd, this.buffer, this.fds, MSG_CMSG_CLOEXEC);
      if (n !== EINTR) return n;
    }
  }

  takeFd(): number {
    const count = this.fds[0] as number;
    this.fds[0] = 0;
    for (let i = 2; i <= count; i++) this.files.close(this.fds[i] as number);
    return count > 0 ? (this.fds[1] as number) : -1;
  }
}

/** One root offered by the Gofer. */
export interface RootInfo {
  readonly control: number;
  readonly flags: number;
  readonly attr: Uint8Array;
}

/** Number of forgotten controls that are sent together. */
const FORGET_BATCH = 128;

export class GoferConnection {
  readonly roots: RootInfo[] = [];
  readonly controls = new ControlCache();
  /** Watches on host files; null: changes from outside are not told. */
  watches: HostWatches | null = null;
  /** Round trips made, for tests and statistics. */
  callCount = 0;
  private readonly transport: GoferTransport;
  private readonly onDeath: (reason: string) => void;
  private isDead = false;
  private nextId = 1;
  private forgotten: number[] = [];

  /** `onDeath` is told once, with the reason, when the connection breaks. */
  constructor(transport: GoferTransport, onDeath: (reason: string) => void) {
    this.transport = transport;
    this.onDeath = onDeath;
  }

  /** Exchanges versions and learns the roots. Returns 0 or EIO. */
  handshake(): number {
    const reply = this.call(HELLO, [PROTOCOL_VERSION]);
    if (typeof reply === 'number') return this.fail('the handshake failed');
    const [, , version, , limit, roots] = reply;
    if (version !== PROTOCOL_VERSION || typeof limit !== 'number' || !Array.isArray(roots))
      return this.fail('the versions differ');
    for (const root of roots) {
      if (
        !Array.isArray(root) ||
        typeof root[0] !== 'number' ||
        typeof root[1] !== 'number' ||
        !isAttrRecord(root[2])
      ) {
        return this.fail('a root is malformed');
      }
      this.roots.push({ control: root[0], flags: root[1], attr: root[2] });
    }
    this.controls.limit = Math.max(16, Math.floor(limit * 0.75) - this.roots.length);
    return 0;
  }

  /** Binds a socket to a port below 1024, with the Gofer's privilege. Returns 0 or errno. */
  bindPort(fd: number, address: Uint8Array): number {
    const reply = this.call(BIND_PORT, [address], fd);
    return typeof reply === 'number' ? reply : 0;
  }

  /** Performs one call; a descriptor goes with it unless `passFd` is negative. Returns [id, 0, ...results], or errno. A descriptor that came is waiting in takeFd(). */
  call(method: number, args: readonly WireValue[], passFd = -1): unknown[] | Errno {
    if (this.isDead) return EIO;
    const id = this.nextId;
    this.nextId = (id + 1) >>> 0;
    this.callCount++;
    const sent = this.transport.send(encodeFrame([id, method, ...args]), passFd);
    if (sent < 0) return this.fail('sending failed');
    const n = this.transport.receive();
    // The frame came, the descriptor with it did not: the Sentry has as many as it may have.
    if (n === EPROTO) return ENFILE;
    if (n <= 0) return this.fail('it is gone');
    const reply = decodeReply(this.transport.buffer, n);
    if (reply === null || reply[0] !== id) return this.fail('a reply is malformed');
    const errno = reply[1] as number;
    return errno < 0 ? (errno as Errno) : reply;
  }

  /** The descriptor that came with the last reply, or -1. */
  takeFd(): number {
    return this.transport.takeFd();
  }

  /** Lets a control go, at a convenient time. */
  forget(control: number): void {
    this.forgotten.push(control);
    if (this.forgotten.length >= FORGET_BATCH) this.flushForgotten();
  }

  /** Sends the controls let go of so far. */
  flushForgotten(): void {
    while (this.forgotten.length > 0 && !this.isDead) {
      const batch = this.forgotten.splice(0, BATCH_MAX);
      if (this.transport.send(encodeFrame([0, FORGET, batch])) < 0) this.fail('sending failed');
    }
  }

  private fail(reason: string): Errno {
    if (!this.isDead) {
      this.isDead = true;
      this.onDeath(`the gofer connection broke: ${reason}`);
    }
    return EIO;
  }

  /** Whoever made the connection ends it: nobody is told. */
  close(): void {
    this.isDead = true;
    this.watches?.close();
    this.watches = null;
  }

  /** A reply's results did not have the right types: the connection is not to be trusted further. Returns EIO. */
  malformed(): Errno {
    return this.fail('a result is malformed');
  }
}
