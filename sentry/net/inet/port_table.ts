// SPDX-License-Identifier: Apache-2.0

/**
 * PortTable: who has which local port of one protocol.
 *
 * Linux: net/ipv4/inet_hashtables.c, net/ipv4/inet_connection_sock.c (inet_csk_bind_conflict)
 */
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import { type Endpoint, isAny, sameHost } from './inet_address.ts';

/** What keeps a port: a socket, or what is left of a connection. */
export interface PortHolder {
  readonly local: Endpoint;
  readonly remote: Endpoint | null;
  readonly family: number;
  readonly isV6Only: boolean;
  readonly isListening: boolean;
  /** No socket any more (time_wait.ts). */
  readonly isClosed: boolean;
  readonly ownerUid: number;
  /** Its network namespace's tag (NetNamespace): ports of different ones have nothing to do with each other. */
  readonly netTag: number;
  /** The interface it is limited to (SO_BINDTODEVICE); 0: none. */
  readonly boundIndex: number;
  /** SO_REUSEADDR and SO_REUSEPORT. */
  readonly sharesAddress: boolean;
  readonly sharesPort: boolean;
}

/** Ports of one namespace are 0 to 65535; the next one's follow. */
function keyOf(port: number, tag: number): number {
  return port + tag * 65536;
}

const NOBODY: ReadonlySet<PortHolder> = new Set();

/** May `socket` have the same address and port as `other`? */
export function mayShare(socket: PortHolder, other: PortHolder): boolean {
  if (socket.sharesPort && other.sharesPort && (other.isClosed || socket.ownerUid === other.ownerUid)) return true;
  return socket.sharesAddress && other.sharesAddress && !other.isListening;
}

/** Do two bound addresses on the same port take in common packets? */
export function overlaps(a: PortHolder, local: Endpoint, b: PortHolder, other: Endpoint): boolean {
  if (a.boundIndex !== 0 && b.boundIndex !== 0 && a.boundIndex !== b.boundIndex) return false;
  if (local.isV6 === other.isV6) return isAny(local) || isAny(other) || sameHost(local, other);
  const [six, sixAt] = local.isV6 ? [a, local] : [b, other];
  return isAny(sixAt) && !six.isV6Only;
}

export class PortTable {
  private readonly ports = new Map<number, Set<PortHolder>>();
  private readonly listeners = new Map<number, Set<PortHolder>>();
  private nextEphemeral = 32768 + Math.floor(Math.random() * 20000);

  at(port: number, tag: number): ReadonlySet<PortHolder> {
    return this.ports.get(keyOf(port, tag)) ?? NOBODY;
  }
  /** Listening sockets of a port. */
  listenersAt(port: number, tag: number): ReadonlySet<PortHolder> {
    return this.listeners.get(keyOf(port, tag)) ?? NOBODY;
  }
  addListener(socket: PortHolder): void {
    const key = keyOf(socket.local.port, socket.netTag);
    const set = this.listeners.get(key);
    if (set === undefined) this.listeners.set(key, new Set([socket]));
    else set.add(socket);
  }
  removeListener(socket: PortHolder): void {
    const key = keyOf(socket.local.port, socket.netTag);
    const set = this.listeners.get(key);
    set?.delete(socket);
    if (set?.size === 0) this.listeners.delete(key);
  }
  add(socket: PortHolder): void {
    const key = keyOf(socket.local.port, socket.netTag);
    const set = this.ports.get(key);
    if (set === undefined) this.ports.set(key, new Set([socket]));
    else set.add(socket);
  }
  remove(socket: PortHolder): void {
    const key = keyOf(socket.local.port, socket.netTag);
    const set = this.ports.get(key);
    if (set === undefined) return;
    set.delete(socket);
    if (set.size === 0) this.ports.delete(key);
  }
  /** May `socket` have `local`? */
  isFree(socket: PortHolder, local: Endpoint): boolean {
    for (const other of this.at(local.port, socket.netTag)) {
      if (other !== socket && overlaps(socket, local, other, other.local) && !mayShare(socket, other)) return false;
    }
    return true;
  }
  /** Is there another connection from `local` to `remote`? */
  hasConnection(socket: PortHolder, local: Endpoint, remote: Endpoint): boolean {
    for (const other of this.at(local.port, socket.netTag)) {
      if (other === socket || other.isClosed || other.remote?.port !== remote.port) continue;
      if (sameHost(other.remote, remote) && sameHost(other.local, local)) return true;
    }
    return false;
  }
  /** A port nobody has; when there is none, one that only waits for its time to end; 0: none. */
  ephemeral(tag: number): number {
    let waiting = 0;
    const [first, last] = sysctlHooks.net.localPorts as [number, number];
    for (let tries = first; tries <= last; tries++) {
      const port = this.nextEphemeral < first || this.nextEphemeral > last ? first : this.nextEphemeral;
      this.nextEphemeral = port + 1;
      const holders = this.ports.get(keyOf(port, tag));
      if (holders === undefined) return port;
      if (waiting === 0 && [...holders].every((holder) => holder.isClosed)) waiting = port;
    }
    this.ports.delete(keyOf(waiting, tag));
    return waiting;
  }
  *[Symbol.iterator](): Iterator<PortHolder> {
    for (const set of this.ports.values()) yield* set;
  }
}
