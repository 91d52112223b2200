// SPDX-License-Identifier: Apache-2.0

/**
 * Neighbours: which link layer address stands for which address on an interface, and packets that wait to know it.
 *
 * Linux:      net/core/neighbour.c, net/ipv4/arp.c; arp(7)
 * Invariants: at most NEIGHBOURS_MAX of them, and WAITING_MAX packets for each: both are the Sentry's memory.
 */
import { hostKey, type Endpoint } from '../inet/inet_address.ts';

const NEIGHBOURS_MAX = 1024;
const WAITING_MAX = 16;

export interface Neighbour {
  readonly index: number;
  readonly address: Endpoint;
  /** Null: asked for, not answered. */
  mac: Buffer | null;
  isPermanent: boolean;
  /** What is done once it is known, or once it is clear that nobody answers. */
  readonly waiting: ((mac: Buffer | null) => void)[];
}

export class Neighbours {
  private readonly entries = new Map<string, Neighbour>();

  get all(): Iterable<Neighbour> {
    return this.entries.values();
  }
  find(index: number, address: Endpoint): Neighbour | null {
    return this.entries.get(`${index}/${hostKey(address)}`) ?? null;
  }
  /** An address was heard of, or set by hand. */
  learn(index: number, address: Endpoint, mac: Buffer, isPermanent = false): void {
    const known = this.find(index, address) ?? this.add(index, address);
    if (known.isPermanent && !isPermanent) return;
    known.mac = Buffer.from(mac);
    known.isPermanent ||= isPermanent;
    for (const then of known.waiting.splice(0)) then(known.mac);
  }
  private add(index: number, address: Endpoint): Neighbour {
    if (this.entries.size >= NEIGHBOURS_MAX) {
      const oldest = [...this.entries].find(([, one]) => !one.isPermanent);
      if (oldest !== undefined) this.entries.delete(oldest[0]);
    }
    const made: Neighbour = { index, address: { ...address, port: 0 }, mac: null, isPermanent: false, waiting: [] };
    this.entries.set(`${index}/${hostKey(address)}`, made);
    return made;
  }
  /** Runs `then` when the address is known. Returns true when the question has to be asked. */
  whenKnown(index: number, address: Endpoint, then: (mac: Buffer | null) => void): boolean {
    const known = this.find(index, address);
    if (known?.mac != null) {
      then(known.mac);
      return false;
    }
    const asked = known ?? this.add(index, address);
    if (asked.waiting.length < WAITING_MAX) asked.waiting.push(then);
    return known === null;
  }
  /** Nobody answered. */
  fail(index: number, address: Endpoint): void {
    const known = this.find(index, address);
    if (known === null || known.mac !== null) return;
    this.entries.delete(`${index}/${hostKey(address)}`);
    for (const then of known.waiting.splice(0)) then(null);
  }
  /** Returns false when there is none. */
  forget(index: number, address: Endpoint): boolean {
    return this.entries.delete(`${index}/${hostKey(address)}`);
  }
  forgetInterface(index: number): void {
    for (const [key, one] of this.entries) if (one.index === index) this.entries.delete(key);
  }
}
