// SPDX-License-Identifier: Apache-2.0

/**
 * Socket: the open socket as system calls see it, and the registry of families that make them.
 *
 * Linux:      include/linux/net.h (struct proto_ops, net_proto_family), net/socket.c, net/core/sock.c
 * Invariants: like every file a socket never blocks: operations return WOULD_BLOCK and wake waitQueue. Addresses are raw
 *             struct sockaddr bytes, at most SOCKADDR_MAX, family first.
 */
import {
  EAFNOSUPPORT,
  EINVAL,
  ENOPROTOOPT,
  ENOTTY,
  EOPNOTSUPP,
  type Errno,
  WOULD_BLOCK,
} from '../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../../platform/abi/linux/fcntl.ts';
import { EPOLLERR, EPOLLHUP, EPOLLOUT } from '../../platform/abi/linux/poll.ts';
import { AF_MAX, SOCK_MAX } from '../../platform/abi/linux/socket.ts';
import { S_IFSOCK } from '../../platform/abi/linux/stat.ts';
import type { NetNamespace } from '../kernel/namespaces.ts';
import type { Task } from '../kernel/task.ts';
import { AnonInode, sockfs } from '../vfs/anon_mount.ts';
import type { IoContext } from '../vfs/context.ts';
import { FileDescription } from '../vfs/file_description.ts';
import type { ByteString } from '../vfs/inode.ts';
import type { IoSequence } from '../vfs/io.ts';
import type { WaitQueue } from '../wait/wait_queue.ts';
import type { SocketFilter } from './filter/filter_options.ts';

/** Process credentials as a socket carries them (struct ucred); pid in the initial pid namespace. */
export interface PeerCred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A control message that is not about descriptors or credentials. */
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** What sendmsg(2) asks for. */
export interface OutgoingMessage {
  io: IoSequence;
  address: Uint8Array | null;
  /** MSG_*; MSG_DONTWAIT is the handler's business. */
  flags: number;
  /** SCM_RIGHTS, each with a reference of the message's own. */
  files: readonly FileDescription[] | null;
  creds: PeerCred | null;
  control: readonly ControlMessage[] | null;
}

/** What recvmsg(2) asks for (io, flags) and, filled in, what came. */
export interface IncomingMessage {
  io: IoSequence;
  flags: number;
  address: Uint8Array | null;
  /** MSG_TRUNC, MSG_CTRUNC, MSG_EOR... */
  outFlags: number;
  /** SCM_RIGHTS, references handed over. */
  files: FileDescription[] | null;
  creds: PeerCred | null;
  control: ControlMessage[] | null;
  /** SO_PASSPIDFD: the pid of the sender, whose pidfd is to be made. */
  pidfdOf: number | null;
  /** What came ends where no more may be added to it (a mark in the stream): MSG_WAITALL does not go on. */
  stop: boolean;
}

export function newOutgoing(io: IoSequence, flags = 0): OutgoingMessage {
  return { io, address: null, flags, files: null, creds: null, control: null };
}
export function newIncoming(io: IoSequence, flags = 0): IncomingMessage {
  return { io, flags, address: null, outFlags: 0, files: null, creds: null, control: null, pidfdOf: null, stop: false };
}

/** Options every socket keeps (SOL_SOCKET). */
export class SocketOptions {
  readonly flags = new Map<number, number>();
  sendBuffer = 212992;
  receiveBuffer = 212992;
  receiveLowWater = 1;
  lingerOn = 0;
  lingerSeconds = 0;
  peekOffset = -1;
  /** SO_ATTACH_FILTER: what incoming packets pass. */
  filter: SocketFilter | null = null;
  /** SO_RCVTIMEO and SO_SNDTIMEO. */
  receiveTimeoutNs = Number.POSITIVE_INFINITY;
  sendTimeoutNs = Number.POSITIVE_INFINITY;
}

export abstract class Socket extends FileDescription {
  readonly family: number;
  /** SOCK_STREAM... */
  readonly type: number;
  readonly protocol: number;
  readonly options = new SocketOptions();
  override writesAll: boolean;

  constructor(ctx: IoContext, family: number, type: number, protocol: number) {
    const inode = new AnonInode(sockfs.fs, S_IFSOCK | 0o777, ctx.creds.fsuid, ctx.creds.fsgid);
    super(sockfs.place(inode), inode, O_RDWR, ctx.creds);
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    this.writesAll = type === 1;
  }

  override get isSeekable(): boolean {
    return false;
  }
  override get canPoll(): boolean {
    return true;
  }
  override get readTimeoutNs(): number {
    return this.options.receiveTimeoutNs;
  }
  override get writeTimeoutNs(): number {
    return this.options.sendTimeoutNs;
  }
  override linkText(): ByteString | null {
    return `socket:[${this.inode.ino}]`;
  }
  override read(ctx: IoContext, io: IoSequence): number {
    if (io.remaining === 0) return 0;
    const message = newIncoming(io);
    const n = this.receiveMessage(ctx, message);
    for (const file of message.files ?? []) file.decRef();
    return n;
  }
  override write(ctx: IoContext, io: IoSequence): number {
    return this.sendMessage(ctx, newOutgoing(io));
  }
  override ioctl(_ctx: IoContext, _cmd: number, _arg: number): number {
    return ENOTTY;
  }

  abstract bind(ctx: IoContext, address: Uint8Array): number;
  listen(_ctx: IoContext, _backlog: number): number {
    return EOPNOTSUPP;
  }
  /** The next connection, or WOULD_BLOCK. */
  accept(_ctx: IoContext): Socket | Errno {
    return EOPNOTSUPP;
  }
  /** connect(2). WOULD_BLOCK: not finished; with connectWait() set the handler tries again, otherwise it waits for EPOLLOUT and takes SO_ERROR. */
  abstract connect(ctx: IoContext, address: Uint8Array): number;
  /** Where a connect that cannot even begin waits (a full backlog); null: it has begun (EINPROGRESS). */
  connectWait(): WaitQueue | null {
    return null;
  }
  /** connect(2) that had begun told the application that it is done. */
  connectConfirmed(): void {}
  /** How a connect that has begun stands: 0, errno, or WOULD_BLOCK. Takes the pending error. */
  connectOutcome(): number {
    if ((this.poll() & (EPOLLOUT | EPOLLERR | EPOLLHUP)) === 0) return WOULD_BLOCK;
    const error = this.takeError();
    return error === 0 ? 0 : -error;
  }
  abstract shutdown(how: number): number;
  abstract localAddress(): Uint8Array | Errno;
  abstract peerAddress(): Uint8Array | Errno;
  /** Why nothing at all can be sent now, for a message that is not going to be; 0: it could. */
  sendRefusal(_ctx: IoContext, _message: OutgoingMessage): number {
    return 0;
  }
  /** shutdown(2) is answered before its argument is looked at. */
  get cannotShutDown(): boolean {
    return false;
  }
  /** Sends. Returns bytes, WOULD_BLOCK or errno. `message.files` stay the caller's: what is queued takes its own references. */
  abstract sendMessage(ctx: IoContext, message: OutgoingMessage): number;
  /** Receives. Returns bytes (MSG_TRUNC: the real length), 0 at end, WOULD_BLOCK or errno. */
  abstract receiveMessage(ctx: IoContext, message: IncomingMessage): number;

  /** Takes the pending error (SO_ERROR): 0 or a positive error number. */
  takeError(): number {
    return 0;
  }
  /** SO_ACCEPTCONN. */
  get isListening(): boolean {
    return false;
  }
  /** SO_PEERCRED; null when there is none. */
  peerCredentials(): PeerCred | null {
    return null;
  }
  /** Options of levels and names sockopt.ts does not know; `valueAddr`: where the answer goes, for those that read a question there. Returns the value or errno. */
  getOption(_ctx: IoContext, _level: number, _name: number, _length: number, _valueAddr: number): Uint8Array | Errno {
    return ENOPROTOOPT;
  }
  setOption(_ctx: IoContext, _level: number, _name: number, _value: Uint8Array): number {
    return ENOPROTOOPT;
  }
  /** Has the family options of this level at all? */
  hasLevel(_level: number): boolean {
    return false;
  }
  /** The network namespace it was made in; null: the initial one. */
  get namespace(): NetNamespace | null {
    return null;
  }
  /** Does the network ask this socket's filter (SO_ATTACH_FILTER)? */
  get canFilter(): boolean {
    return true;
  }
  /** Told when the filter was attached, exchanged or detached. */
  filterChanged(): void {}
  /** SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF (null). Errors: EINVAL (not bound with SO_REUSEPORT). */
  setReuseportFilter(_filter: SocketFilter | null): number {
    return EINVAL;
  }
  get hasReuseportFilter(): boolean {
    return false;
  }
  /** Told when a SOL_SOCKET option kept in `options` changed. */
  optionChanged(_name: number): void {}

  setNonblocking(on: boolean): void {
    this.flags = on ? this.flags | O_NONBLOCK : this.flags & ~O_NONBLOCK;
  }
}

/** Makes sockets of one family. */
export interface SocketFamily {
  create(t: Task, type: number, protocol: number): Socket | Errno;
  /** socketpair(2). Errors: EOPNOTSUPP. */
  pair?(t: Task, type: number, protocol: number): readonly [Socket, Socket] | Errno;
}

/** Families by AF_*; registered by the composition root. */
export const socketFamilies = new Map<number, SocketFamily>();

/** The family's factory for socket(2)'s arguments. Errors: EAFNOSUPPORT, EINVAL. */
export function familyFor(family: number, type: number): SocketFamily | Errno {
  if (family < 0 || family >= AF_MAX) return EAFNOSUPPORT;
  if (type < 0 || type >= SOCK_MAX) return EINVAL;
  return socketFamilies.get(family) ?? EAFNOSUPPORT;
}
