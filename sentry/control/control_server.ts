// SPDX-License-Identifier: Apache-2.0

/**
 * The control socket: commands for a running sandbox, served by the kernel's one wait point.
 *
 * Invariants: nothing here waits. A peer that does not read its replies loses its connection; a peer's end is told to whoever
 *             put an `onClose` on it.
 */
import type { HostListener } from '../../platform/platform.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type Command, decodeCommand, encode, memfdLength, type Reply } from './messages/commands.ts';

const EPOLLIN = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = -11;
const MAX_PEERS = 1024;
const MAX_FDS = 64;

/** One connection. */
export class Peer implements HostListener {
  readonly fd: number;
  /** Called once when the connection ends. */
  onClose: (() => void) | null = null;
  /** Takes commands that only mean something on this connection (signals of an exec). */
  onCommand: ((command: Command) => boolean) | null = null;
  private readonly server: ControlServer;
  private isOpen = true;

  constructor(server: ControlServer, fd: number) {
    this.server = server;
    this.fd = fd;
  }

  send(reply: Reply): void {
    if (!this.isOpen) return;
    const bytes = encode(reply);
    if (this.server.kernel.host.files.sendmsg(this.fd, bytes, bytes.length, [], MSG_DONTWAIT | MSG_NOSIGNAL) < 0) this.close();
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.server.forget(this);
    this.onClose?.();
  }

  onHostEvent(): void {
    while (this.isOpen && this.server.receive(this));
  }
}

export class ControlServer implements HostListener {
  readonly kernel: Kernel;
  private readonly accept: () => number;
  private readonly handle: (command: Command, fds: readonly number[], peer: Peer) => Reply | null;
  private readonly peers = new Set<Peer>();
  private listener = -1;
  private readonly buffer = Buffer.alloc(65536);
  private readonly fds = new Int32Array(MAX_FDS + 1);

  /** `handle` owns the descriptors it is given; null: the reply comes later. */
  constructor(kernel: Kernel, accept: () => number, handle: (command: Command, fds: readonly number[], peer: Peer) => Reply | null) {
    this.kernel = kernel;
    this.accept = accept;
    this.handle = handle;
  }

  /** Starts to serve connections of the listening socket `fd`. */
  open(fd: number): void {
    this.listener = fd;
    this.kernel.platform.watch(fd, EPOLLIN, this);
  }

  /** Ends all connections, and listens no more. */
  close(): void {
    this.kernel.platform.unwatch(this.listener);
    for (const peer of [...this.peers]) peer.close();
  }

  onHostEvent(): void {
    for (;;) {
      const fd = this.accept();
      if (fd < 0) return;
      if (this.peers.size >= MAX_PEERS) {
        this.kernel.host.files.close(fd);
        continue;
      }
      const peer = new Peer(this, fd);
      this.peers.add(peer);
      this.kernel.platform.watch(fd, EPOLLIN, peer);
    }
  }

  forget(peer: Peer): void {
    this.peers.delete(peer);
    this.kernel.platform.unwatch(peer.fd);
    this.kernel.host.files.close(peer.fd);
  }

  /** Serves one message of a peer; false when there is none. */
  receive(peer: Peer): boolean {
    const { files } = this.kernel.host;
    const n = files.recvmsg(peer.fd, this.buffer, this.fds, MSG_DONTWAIT);
    if (n === EAGAIN) return false;
    if (n <= 0) {
      peer.close();
      return false;
    }
    const fds = [...this.fds.subarray(1, 1 + (this.fds[0] as number))];
    const bytes = this.payload(this.buffer.subarray(0, n), fds);
    const command = bytes === null ? null : decodeCommand(bytes);
    if (command === null) {
      for (const fd of fds) files.close(fd);
      peer.close();
      return false;
    }
    if (peer.onCommand?.(command) === true) return true;
    const reply = this.handle(command, fds, peer);
    if (reply !== null) peer.send(reply);
    return true;
  }

  /** The message itself, which may be in the last descriptor. */
  private payload(inline: Uint8Array, fds: number[]): Uint8Array | null {
    const length = memfdLength(inline);
    if (length < 0) return inline;
    const memfd = fds.pop();
    if (memfd === undefined) return null;
    const { files } = this.kernel.host;
    const bytes = Buffer.alloc(length);
    const n = files.pread(memfd, bytes, 0, length, 0);
    files.close(memfd);
    return n === length ? bytes : null;
  }
}
