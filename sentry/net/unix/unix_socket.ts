// SPDX-License-Identifier: Apache-2.0

/**
 * UnixSocket: naming, connecting, states and readiness of AF_UNIX sockets; moving data is in unix_transfer.ts.
 *
 * Linux:      net/unix/af_unix.c; unix(7)
 * Invariants: a connected stream or seqpacket pair point at each other until both are closed. A bound path's inode points
 *             back (inode.body.attachment) while the socket is open.
 */
import {
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EEXIST,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPROTOTYPE,
  ESOCKTNOSUPPORT,
  EPROTONOSUPPORT,
  WOULD_BLOCK,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
} from '../../../platform/abi/linux/poll.ts';
import {
  AF_UNIX,
  FIONREAD,
  SIOCATMARK,
  SIOCOUTQ,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from '../../../platform/abi/linux/socket.ts';
import { S_IFSOCK } from '../../../platform/abi/linux/stat.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { type Path, pathGet, pathPut } from '../../vfs/mount.ts';
import { makeNode } from '../../vfs/names.ts';
import { walkPath } from '../../vfs/path_walk.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';
import type { NetNamespace } from '../../kernel/namespaces.ts';
import { netOf, withNetwork } from '../net_namespace.ts';
import { interfaceIoctl } from '../inet/interface_ioctls.ts';
import { type IncomingMessage, type OutgoingMessage, type PeerCred, Socket, type SocketFamily } from '../socket.ts';
import { type Collectable, collectGarbage, releaseQueues } from './in_flight.ts';
import { HostEnd, hostEnds } from './host_end.ts';
import {
  abstractKey,
  abstractNames,
  autobindName,
  connectHostSocket,
  encodeUnixName,
  findUnixSocket,
  parseUnixAddress,
  UNNAMED,
  type UnixName,
} from './unix_address.ts';
import { type Packet, PacketQueue } from './unix_queue.ts';
import { receiveDatagram, receiveStream, sendDatagram, sendStream } from './unix_transfer.ts';

export type UnixState = 'unconnected' | 'listening' | 'connected';
export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;
const ALL_SHUTDOWN = 3;
const SO_PASSPIDFD = 76;

/** Every open Unix socket, for /proc/net/unix. */
export const unixSockets = new Set<UnixSocket>();

function credOf(ctx: IoContext): PeerCred {
  return { pid: ctx.lockOwnerPid, uid: ctx.creds.euid, gid: ctx.creds.egid };
}

export class UnixSocket extends Socket implements Collectable {
  /** Its network namespace: whose abstract names it sees. */
  readonly netTag: number;
  private readonly net: NetNamespace | null;
  state: UnixState = 'unconnected';
  peer: UnixSocket | null = null;
  shutdownMask = 0;
  isDead = false;
  /** Positive error number of SO_ERROR. */
  error = 0;
  readonly queue = new PacketQueue();
  /** The packet of the byte sent last with MSG_OOB, until it is read or passed over. */
  urgent: Packet | null = null;
  /** Connected to a socket of the host's instead of a peer. */
  private host: HostEnd | null = null;
  private hostName: Uint8Array = UNNAMED;
  /** Bytes of packets sent and not yet received, as charged. */
  charged = 0;
  boundAddress: Uint8Array | null = null;
  /** Credentials getsockopt(SO_PEERCRED) shows. */
  peerCred: PeerCred | null = null;
  /** Senders held up by this socket's full queue (datagrams). */
  readonly heldUp = new Set<UnixSocket>();
  private name: UnixName = { kind: 'none' };
  private place: Path | null = null;
  // Listening.
  backlog = 0;
  private readonly pending: UnixSocket[] = [];
  private listenCred: PeerCred | null = null;
  /** Woken when a full backlog has room again. */
  readonly connectQueue = new WaitQueue();
  private connectingTo: UnixSocket | null = null;

  constructor(ctx: IoContext, type: number) {
    super(ctx, AF_UNIX, type, 0);
    this.net = netOf(ctx);
    this.netTag = this.net?.tag ?? 0;
    unixSockets.add(this);
  }

  override get namespace(): NetNamespace | null {
    return this.net;
  }
  get isConnectionBased(): boolean {
    return this.type !== SOCK_DGRAM;
  }
  override get isListening(): boolean {
    return this.state === 'listening';
  }
  get passCred(): boolean {
    return (this.options.flags.get(SO_PASSCRED) ?? 0) !== 0;
  }
  /** TCP_ESTABLISHED..., as sock_diag tells it. */
  get stateNumber(): number {
    return this.state === 'listening' ? 10 : this.state === 'connected' ? 1 : 7;
  }
  get connectionsWaiting(): number {
    return this.pending.length;
  }
  /** A datagram queue takes so many packets before senders wait. */
  get isQueueFull(): boolean {
    return this.queue.length > sysctlHooks.net.maxDgramQlen;
  }
  get isWritable_(): boolean {
    return this.state !== 'listening' && this.charged * 4 <= this.options.sendBuffer;
  }

  /** SO_PASSPIDFD. */
  get passPidfd(): boolean {
    return (this.options.flags.get(SO_PASSPIDFD) ?? 0) !== 0;
  }
  get wantsStamp(): boolean {
    const { flags } = this.options;
    return (flags.get(SO_TIMESTAMP) ?? 0) !== 0 || (flags.get(SO_TIMESTAMPNS) ?? 0) !== 0;
  }
  get isUrgentInline(): boolean {
    return (this.options.flags.get(SO_OOBINLINE) ?? 0) !== 0;
  }
  /** Urgent data came. */
  noteUrgent(): void {
    this.urgentSignal?.();
    this.waitQueue.wake(EPOLLPRI);
  }
  /** A packet of ours was received. */
  uncharge(amount: number): void {
    this.charged -= amount;
    if (!this.isDead && this.isWritable_) this.waitQueue.wake(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  }

  protected override release(): void {
    unixSockets.delete(this);
    this.host?.close();
    this.isDead = true;
    this.unname();
    const { peer } = this;
    const hadUnread = this.queue.length > 0;
    if (peer !== null && this.isConnectionBased && this.state !== 'listening') {
      peer.shutdownMask = ALL_SHUTDOWN;
      if (hadUnread) peer.error = -ECONNRESET;
      peer.wakeState();
    }
    if (peer !== null) peer.heldUp.delete(this);
    for (const embryo of this.pending.splice(0)) {
      const client = embryo.peer;
      if (client !== null) {
        client.shutdownMask = ALL_SHUTDOWN;
        client.error = -ECONNRESET;
        client.wakeState();
      }
      embryo.decRef();
    }
    this.connectQueue.wake();
    this.purgeQueues();
    this.wakeHeldUp();
    collectGarbage();
  }

  purgeQueues(): void {
    releaseQueues(this.collectQueues());
  }
  collectQueues(): PacketQueue[] {
    return [this.queue, ...this.pending.map((embryo) => embryo.queue)];
  }

  /** Wakes everyone: the state changed. */
  wakeState(): void {
    this.waitQueue.wake(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  }
  /** The datagram queue has room: senders may try again. */
  wakeHeldUp(): void {
    if (this.heldUp.size === 0) return;
    const waiting = [...this.heldUp];
    this.heldUp.clear();
    for (const sender of waiting) sender.waitQueue.wake(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  }

  override sendRefusal(): number {
    return this.type === SOCK_SEQPACKET && this.state !== 'connected' ? ENOTCONN : 0;
  }

  // Naming.

  override bind(ctx: IoContext, address: Uint8Array): number {
    const name = parseUnixAddress(address);
    if (isErrno(name)) return name;
    if (name.kind === 'none') return this.autobind();
    if (this.boundAddress !== null) {
      return name.kind === 'path' && !isErrno(walkPath(ctx, null, name.path, false)) ? EADDRINUSE : EINVAL;
    }
    if (name.kind === 'abstract') {
      const key = abstractKey(this.type, name.name, this.netTag);
      if (abstractNames.has(key)) return EADDRINUSE;
      abstractNames.set(key, this);
    } else {
      const mode = S_IFSOCK | (this.inode.mode & 0o777);
      let hostFd = -1;
      const place = makeNode(ctx, null, name.path, mode, 0, (dir, base, itsMode, gid) => {
        const { fsuid } = ctx.creds;
        const made =
          hostEnds.services?.mayBind === true
            ? dir.bindHost(base, this.type, itsMode, fsuid, gid, (fd) => (hostFd = fd))
            : null;
        return made ?? dir.mknod(ctx, base, itsMode, 0, fsuid, gid);
      });
      if (isErrno(place)) return place === EEXIST ? EADDRINUSE : place;
      if (hostFd >= 0 && hostEnds.services !== null)
        this.host = new HostEnd(hostEnds.services, hostFd, this.type, this.waitQueue);
      else (place.dentry.inode as Inode).body.attachment = this;
      this.place = pathGet(place);
    }
    this.setName(name);
    return 0;
  }

  /** Gives an unnamed socket an abstract name of the kernel's choice. */
  autobind(): number {
    if (this.boundAddress !== null) return 0;
    const name = autobindName(this.type, this.netTag);
    if (name === null) return EAGAIN;
    abstractNames.set(abstractKey(this.type, name, this.netTag), this);
    this.setName({ kind: 'abstract', name });
    return 0;
  }
  private setName(name: UnixName): void {
    this.name = name;
    this.boundAddress = encodeUnixName(name);
  }
  private unname(): void {
    if (this.name.kind === 'abstract') abstractNames.delete(abstractKey(this.type, this.name.name, this.netTag));
    if (this.place !== null) {
      const { inode } = this.place.dentry;
      if (inode !== null && inode.body.attachment === this) inode.body.attachment = null;
      pathPut(this.place);
      this.place = null;
    }
  }
  /** The name as /proc/net/unix shows it. */
  get nameText(): string {
    const { name } = this;
    return name.kind === 'none' ? '' : name.kind === 'path' ? name.path : `@${name.name.replace(/\0/g, '@')}`;
  }

  override localAddress(): Uint8Array {
    return this.boundAddress ?? UNNAMED;
  }
  override peerAddress(): Uint8Array | Errno {
    const { peer } = this;
    if (this.host !== null) return this.hostName;
    return peer === null || this.state === 'listening' ? ENOTCONN : peer.localAddress();
  }
  override peerCredentials(): PeerCred | null {
    return this.peerCred;
  }

  // Connections.

  override listen(ctx: IoContext, backlog: number): number {
    if (!this.isConnectionBased) return EOPNOTSUPP;
    if (this.boundAddress === null || this.state === 'connected') return EINVAL;
    const limit = sysctlHooks.net.somaxconn;
    const wanted = backlog < 0 || backlog > limit ? limit : backlog;
    if (wanted > this.backlog) this.connectQueue.wake();
    const heard = this.host?.listen(wanted) ?? 0;
    if (heard < 0) return heard;
    this.backlog = wanted;
    this.state = 'listening';
    this.listenCred = credOf(ctx);
    return 0;
  }

  override accept(ctx: IoContext): Socket | Errno {
    if (!this.isConnectionBased) return EOPNOTSUPP;
    if (this.state !== 'listening') return EINVAL;
    if (this.host !== null) return this.acceptFromHost(ctx, this.host);
    const next = this.pending.shift();
    if (next === undefined) return (this.shutdownMask & RCV_SHUTDOWN) !== 0 ? EINVAL : WOULD_BLOCK;
    this.connectQueue.wake();
    return next;
  }

  private acceptFromHost(ctx: IoContext, host: HostEnd): Socket | Errno {
    const { services } = hostEnds;
    const fd = host.accept();
    if (fd < 0 || services === null) return fd as Errno;
    const socket = new UnixSocket(ctx, this.type);
    socket.host = new HostEnd(services, fd, this.type, socket.waitQueue);
    socket.state = 'connected';
    socket.boundAddress = this.boundAddress;
    return socket;
  }

  override connect(ctx: IoContext, address: Uint8Array): number {
    return this.isConnectionBased ? this.connectStream(ctx, address) : this.connectDatagram(ctx, address);
  }
  override connectWait(): WaitQueue | null {
    return this.connectingTo?.connectQueue ?? null;
  }

  private connectStream(ctx: IoContext, address: Uint8Array): number {
    const name = parseUnixAddress(address);
    if (isErrno(name)) return name;
    if (this.passCred && this.boundAddress === null) this.autobind();
    const target = findUnixSocket(ctx, this.type, name, this.netTag);
    if (target === ECONNREFUSED) return this.connectHost(ctx, name);
    if (isErrno(target)) return target;
    if (target.type !== this.type) return EPROTOTYPE;
    if (target.state !== 'listening' || (target.shutdownMask & RCV_SHUTDOWN) !== 0) return ECONNREFUSED;
    if (target.pending.length > target.backlog) {
      this.connectingTo = target;
      return WOULD_BLOCK;
    }
    if (this.state === 'connected') return EISCONN;
    if (this.state === 'listening') return EINVAL;
    const embryo = new UnixSocket(ctx, this.type);
    embryo.boundAddress = target.boundAddress;
    embryo.peerCred = credOf(ctx);
    embryo.options.flags.set(SO_PASSCRED, target.options.flags.get(SO_PASSCRED) ?? 0);
    this.peerCred = target.listenCred;
    joinPair(this, embryo);
    target.pending.push(embryo);
    target.waitQueue.wake(EPOLLIN | EPOLLRDNORM);
    this.waitQueue.wake(EPOLLOUT | EPOLLWRNORM);
    return 0;
  }

  /** Nobody in the sandbox listens there: perhaps the host does. */
  private connectHost(ctx: IoContext, name: UnixName): number {
    const { services } = hostEnds;
    if (services === null) return ECONNREFUSED;
    if (this.state === 'connected' || this.host !== null) return EISCONN;
    if (this.state === 'listening') return EINVAL;
    const fd = connectHostSocket(ctx, this.type, name);
    if (fd < 0) return fd;
    this.host = new HostEnd(services, fd, this.type, this.waitQueue);
    this.state = 'connected';
    this.hostName = encodeUnixName(name);
    this.waitQueue.wake(EPOLLOUT | EPOLLWRNORM);
    return 0;
  }

  private connectDatagram(ctx: IoContext, address: Uint8Array): number {
    if (address.length >= 2 && address[0] === 0 && address[1] === 0) {
      this.disconnectDatagram();
      return 0;
    }
    const name = parseUnixAddress(address);
    if (isErrno(name)) return name;
    if (this.passCred && this.boundAddress === null) this.autobind();
    const target = findUnixSocket(ctx, this.type, name, this.netTag);
    if (target === ECONNREFUSED) return this.connectHost(ctx, name);
    if (isErrno(target)) return target;
    if (target.type !== this.type) return EPROTOTYPE;
    if (target.peer !== null && target.peer !== this) return EPERM;
    this.disconnectDatagram();
    this.peer = target;
    this.state = 'connected';
    return 0;
  }

  /** Forgets a datagram peer; what it had sent is dropped and it is told. */
  disconnectDatagram(): void {
    const old = this.peer;
    if (old === null) return;
    this.peer = null;
    this.state = 'unconnected';
    old.heldUp.delete(this);
    const hadUnread = this.queue.length > 0;
    for (let packet = this.queue.shift(); packet !== null; packet = this.queue.shift()) packet.release();
    if (hadUnread && old.peer === this && !old.isDead) {
      old.error = -ECONNRESET;
      old.wakeState();
    }
  }

  override shutdown(how: number): number {
    if (this.host !== null) return this.host.shutdown(how);
    const mode = how + 1;
    this.shutdownMask |= mode;
    const { peer } = this;
    if (peer !== null && this.isConnectionBased) {
      if ((mode & RCV_SHUTDOWN) !== 0) peer.shutdownMask |= SEND_SHUTDOWN;
      if ((mode & SEND_SHUTDOWN) !== 0) peer.shutdownMask |= RCV_SHUTDOWN;
      peer.wakeState();
    }
    this.wakeState();
    return 0;
  }

  // Data.

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    if (message.address?.length === 0) message.address = null;
    if (this.host !== null) return message.address !== null ? EISCONN : this.host.send(ctx, message);
    return this.type === SOCK_STREAM ? sendStream(ctx, this, message) : sendDatagram(ctx, this, message);
  }
  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if (this.host !== null) return this.host.receive(message);
    return this.type === SOCK_STREAM ? receiveStream(this, message) : receiveDatagram(this, message);
  }

  override takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  override poll(): number {
    if (this.host !== null) return this.host.poll();
    let bits = 0;
    if (this.error !== 0) bits |= EPOLLERR;
    if (this.shutdownMask === ALL_SHUTDOWN) bits |= EPOLLHUP;
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) bits |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if (this.queue.length > 0 || this.pending.length > 0) bits |= EPOLLIN | EPOLLRDNORM;
    if (this.isConnectionBased && this.state === 'unconnected') bits |= EPOLLHUP;
    if (this.urgent !== null) bits |= EPOLLPRI;
    if (this.isWritable_ && !this.isHeldUp()) bits |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    return bits;
  }
  /** A datagram peer's queue is full; it will wake us. */
  private isHeldUp(): boolean {
    const { peer } = this;
    if (this.isConnectionBased || peer === null || peer.peer === this || !peer.isQueueFull || peer.isDead) return false;
    peer.heldUp.add(this);
    return true;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    if (this.host !== null && (cmd === FIONREAD || cmd === SIOCOUTQ)) {
      const queued = this.host.queued(cmd);
      return queued < 0 ? queued : ctx.memory.writeU32(arg, queued);
    }
    switch (cmd) {
      case FIONREAD:
        if (this.state === 'listening') return EINVAL;
        return ctx.memory.writeU32(arg, this.type === SOCK_DGRAM ? (this.queue.at(0)?.length ?? 0) : this.queue.bytes);
      case SIOCOUTQ:
        return ctx.memory.writeU32(arg, this.charged);
      case SIOCATMARK: {
        if (this.type !== SOCK_STREAM) return EOPNOTSUPP;
        const head = this.queue.at(0);
        return ctx.memory.writeU32(arg, head !== null && (head === this.urgent || head.isSpent) ? 1 : 0);
      }
      default:
        return withNetwork(this.net, () => interfaceIoctl(ctx, cmd, arg));
    }
  }
}

/** Connects two sockets to each other. */
export function joinPair(a: UnixSocket, b: UnixSocket): void {
  a.peer = b;
  b.peer = a;
  a.state = 'connected';
  b.state = 'connected';
}

function checkedType(type: number, protocol: number): number {
  if (protocol !== 0 && protocol !== AF_UNIX) return EPROTONOSUPPORT;
  if (type === SOCK_RAW) return SOCK_DGRAM;
  return type === SOCK_STREAM || type === SOCK_DGRAM || type === SOCK_SEQPACKET ? type : ESOCKTNOSUPPORT;
}

export const unixFamily: SocketFamily = {
  create: (t: Task, type, protocol) => {
    const checked = checkedType(type, protocol);
    return checked < 0 ? (checked as Errno) : new UnixSocket(t, checked);
  },
  pair: (t: Task, type, protocol) => {
    const checked = checkedType(type, protocol);
    if (checked < 0) return checked as Errno;
    const a = new UnixSocket(t, checked);
    const b = new UnixSocket(t, checked);
    joinPair(a, b);
    a.peerCred = credOf(t);
    b.peerCred = a.peerCred;
    return [a, b];
  },
};

/** Text of /proc/net/unix. */
export function unixSocketsText(reader: Task): string {
  let text = 'Num       RefCount Protocol Flags    Type St Inode Path\n';
  const hex = (value: number, width: number): string => value.toString(16).toUpperCase().padStart(width, '0');
  for (const socket of unixSockets) {
    if (socket.netTag !== reader.netNs.tag) continue;
    const flags = socket.isListening ? 0x10000 : 0;
    const state = socket.state === 'connected' ? 3 : 1;
    const inode = String(socket.inode.ino).padStart(5);
    const name = socket.nameText;
    text += `${'0'.repeat(16)}: ${hex(socket.refCount + 1, 8)} 00000000 ${hex(flags, 8)} ${hex(socket.type, 4)} ${hex(state, 2)} ${inode}${name === '' ? '' : ` ${name}`}\n`;
  }
  return text;
}
