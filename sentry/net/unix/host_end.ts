// SPDX-License-Identifier: Apache-2.0

/**
 * HostEnd: what a guest's Unix socket becomes when it connects to a socket of the host's (--host-uds=open), or is bound
 * where the host sees it (--host-uds=all): a descriptor, connected or bound by the Gofer, over which bytes move.
 *
 * Linux:      unix(7)
 * Invariants: the descriptor is non-blocking and watched, edge triggered, until close(). Descriptors and credentials do not pass:
 *             the host discards those its peer sends, those of the guest are refused.
 */
import { EINVAL, EMSGSIZE, EPIPE, type Errno } from '../../../platform/abi/linux/errno.ts';
import { EPOLLERR, EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import {
  FIONREAD,
  MSG_EOR,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  SOCK_STREAM,
} from '../../../platform/abi/linux/socket.ts';
import type { HostFiles, HostListener, HostReceived, HostSockets, Platform } from '../../../platform/platform.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { WaitQueue } from '../../wait/wait_queue.ts';
import type { IncomingMessage, OutgoingMessage } from '../socket.ts';

/** What the ends need of the world; null: the sandbox may not use the host's sockets. Set by the composition root. */
export interface HostEndServices {
  readonly sockets: HostSockets;
  readonly files: HostFiles;
  readonly platform: Pick<Platform, 'watch' | 'unwatch'>;
  /** What the sandbox binds in a bind mount is a socket of the host's. */
  readonly mayBind: boolean;
}
export const hostEnds: { services: HostEndServices | null } = { services: null };

const SIGPIPE = 13;
const STAGING = 65536;
const PACKET_MAX = 212992;
const EPOLLET = 0x80000000;
/** EPOLLIN PRI OUT RDNORM RDBAND WRNORM WRBAND RDHUP */
const EVENTS = 0x1 | 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x2000;

let staging: Uint8Array | null = null;
const word = new Uint8Array(4);
const received: HostReceived = {
  address: new Uint8Array(128),
  addressLength: 0,
  control: new Uint8Array(0),
  controlLength: 0,
  flags: 0,
};

export class HostEnd implements HostListener {
  private readonly fd: number;
  private readonly isStream: boolean;
  private readonly waitQueue: WaitQueue;
  private readonly services: HostEndServices;
  /** Bytes the host gave but the application's memory did not take. */
  private unread: Uint8Array | null = null;

  constructor(services: HostEndServices, fd: number, type: number, waitQueue: WaitQueue) {
    this.services = services;
    this.fd = fd;
    this.isStream = type === SOCK_STREAM;
    this.waitQueue = waitQueue;
    services.platform.watch(fd, (EVENTS | EPOLLET) >>> 0, this);
  }
  onHostEvent(_fd: number, revents: number): void {
    this.waitQueue.wake(revents & 0x7fffffff);
  }
  close(): void {
    this.services.platform.unwatch(this.fd);
    this.services.files.close(this.fd);
  }

  send(ctx: IoContext, message: OutgoingMessage): number {
    if (message.files !== null) return EINVAL;
    const { io } = message;
    if (!this.isStream && io.remaining > PACKET_MAX) return EMSGSIZE;
    const want = this.isStream ? Math.min(io.remaining, STAGING) : io.remaining;
    const bytes = buffer(want);
    const taken = want === 0 ? 0 : io.take(bytes, 0, want);
    if (taken < 0) return taken;
    const n = this.services.sockets.send(this.fd, bytes, taken, null, null, message.flags & (MSG_OOB | MSG_EOR));
    if (n < taken) io.rewind(taken - Math.max(n, 0));
    if (n === EPIPE && (message.flags & MSG_NOSIGNAL) === 0) ctx.raiseSignal(SIGPIPE);
    return n;
  }
  receive(message: IncomingMessage): number {
    const { io } = message;
    if (this.unread !== null) return this.receiveUnread(message);
    const want = Math.min(io.remaining, this.isStream ? STAGING : PACKET_MAX);
    const bytes = buffer(want);
    const flags = message.flags & (MSG_OOB | MSG_PEEK | MSG_TRUNC);
    const n = this.services.sockets.receive(this.fd, bytes, want, flags, received);
    if (n < 0) return n;
    message.outFlags |= received.flags & (MSG_TRUNC | MSG_EOR | MSG_OOB);
    const present = Math.min(n, want);
    const put = present === 0 ? 0 : io.put(bytes, 0, present);
    if (put === present) return n;
    if (this.isStream && (message.flags & MSG_PEEK) === 0) this.unread = bytes.slice(Math.max(put, 0), present);
    return put;
  }
  private receiveUnread(message: IncomingMessage): number {
    const unread = this.unread as Uint8Array;
    const want = Math.min(unread.length, message.io.remaining);
    const n = want === 0 ? 0 : message.io.put(unread, 0, want);
    if (n > 0 && (message.flags & MSG_PEEK) === 0) this.unread = n === unread.length ? null : unread.subarray(n);
    return n;
  }
  listen(backlog: number): number {
    return this.services.sockets.listen(this.fd, backlog);
  }
  /** The next connection's descriptor. Errors: WOULD_BLOCK. */
  accept(): number {
    return this.services.sockets.accept(this.fd, received);
  }
  shutdown(how: number): number {
    return this.services.sockets.shutdown(this.fd, how);
  }
  poll(): number {
    const bits = this.services.files.poll(this.fd, EVENTS);
    if (bits < 0) return EPOLLERR;
    return this.unread === null ? bits : bits | EPOLLIN;
  }
  /** FIONREAD or SIOCOUTQ. */
  queued(cmd: number): number | Errno {
    word.fill(0);
    const result = this.services.files.ioctl(this.fd, cmd, word);
    if (result < 0) return result;
    return Buffer.from(word.buffer).readUInt32LE(0) + (cmd === FIONREAD ? (this.unread?.length ?? 0) : 0);
  }
}

function buffer(size: number): Uint8Array {
  if (size > STAGING) return new Uint8Array(size);
  staging ??= new Uint8Array(STAGING);
  return staging;
}
