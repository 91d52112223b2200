// SPDX-License-Identifier: Apache-2.0

/**
 * Connections whose socket is closed but whose port is not free yet: FIN_WAIT2 without an owner, and TIME_WAIT.
 *
 * Linux:      net/ipv4/inet_timewait_sock.c, net/ipv4/tcp_minisocks.c (tcp_time_wait)
 * Invariants: each is in the port table until it expires, at most CLOSED_MAX of them, the oldest given up first.
 */
import type { Endpoint } from './inet_address.ts';
import type { PortHolder, PortTable } from './port_table.ts';

const TIMEOUT_MS = 60_000;
const CLOSED_MAX = 8192;
export const TCP_FIN_WAIT2 = 5;
export const TCP_TIME_WAIT = 6;

export class ClosedConnection implements PortHolder {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly family: number;
  readonly isV6Only: boolean;
  readonly isListening = false;
  readonly isClosed = true;
  readonly ownerUid: number;
  readonly netTag: number;
  readonly boundIndex: number;
  readonly sharesAddress: boolean;
  readonly sharesPort: boolean;
  stateNumber: number;
  expiresMs: number;

  constructor(of: PortHolder, remote: Endpoint, state: number) {
    this.local = of.local;
    this.remote = remote;
    this.family = of.family;
    this.isV6Only = of.isV6Only;
    this.ownerUid = of.ownerUid;
    this.netTag = of.netTag;
    this.boundIndex = of.boundIndex;
    this.sharesAddress = of.sharesAddress;
    this.sharesPort = of.sharesPort;
    this.stateNumber = state;
    this.expiresMs = performance.now() + TIMEOUT_MS;
  }
  /** Ticks of 10 ms that are left. */
  get ticksLeft(): number {
    return Math.max(0, Math.floor((this.expiresMs - performance.now()) / 10));
  }
}

export class ClosedConnections {
  /** By time of expiry. */
  private readonly entries = new Set<ClosedConnection>();
  private readonly table: PortTable;

  constructor(table: PortTable) {
    this.table = table;
  }
  get size(): number {
    return this.entries.size;
  }
  add(entry: ClosedConnection): void {
    this.expire();
    for (const oldest of this.entries) {
      if (this.entries.size < CLOSED_MAX) break;
      this.remove(oldest);
    }
    this.entries.add(entry);
    this.table.add(entry);
  }
  remove(entry: ClosedConnection): void {
    if (this.entries.delete(entry)) this.table.remove(entry);
  }
  /** The other end has closed too: it waits once more from now on. */
  finish(entry: ClosedConnection): void {
    if (!this.entries.delete(entry)) return;
    entry.stateNumber = TCP_TIME_WAIT;
    entry.expiresMs = performance.now() + TIMEOUT_MS;
    this.entries.add(entry);
  }
  /** Frees the ports of those whose time is over. */
  expire(): void {
    if (this.entries.size === 0) return;
    const now = performance.now();
    for (const entry of this.entries) {
      if (entry.expiresMs > now) return;
      this.remove(entry);
    }
  }
}
