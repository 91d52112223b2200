// SPDX-License-Identifier: Apache-2.0

/**
 * Descriptors in flight in SCM_RIGHTS messages, and the collection of cycles of Unix sockets that only messages refer to.
 *
 * Linux:      net/unix/garbage.c, net/unix/scm.c
 * Invariants: inFlight counts, for each Unix socket, the references that queued packets hold of it. A socket all of whose
 *             references are such, and that no socket outside the set can hand over, is garbage: its queue is emptied.
 */
import type { FileDescription } from '../../vfs/file_description.ts';
import type { PacketQueue } from './unix_queue.ts';

/** What the collector sees of a Unix socket. */
export interface Collectable extends FileDescription {
  /** Its receive queue and those of connections nobody accepted yet. */
  collectQueues(): PacketQueue[];
  /** Frees everything queued. */
  purgeQueues(): void;
}

const inFlight = new Map<Collectable, number>();
/** Files of any kind in flight, for the limit of one's descriptors (ETOOMANYREFS). */
export const inFlightTotal = { files: 0 };

function isCollectable(file: FileDescription): file is Collectable {
  return 'collectQueues' in file;
}

const FIRST_COLLECTION = 256;
/** Sockets in flight at which a message starts a collection: cycles that nobody closes a socket after must not pile up. */
let collectAt = FIRST_COLLECTION;

/** Files were queued in a packet. */
export function noteInFlight(files: readonly FileDescription[]): void {
  if (inFlight.size >= collectAt) {
    collectGarbage();
    collectAt = Math.max(FIRST_COLLECTION, inFlight.size * 2);
  }
  inFlightTotal.files += files.length;
  for (const file of files) if (isCollectable(file)) inFlight.set(file, (inFlight.get(file) ?? 0) + 1);
}

/** Files left a packet. */
export function noteLanded(files: readonly FileDescription[]): void {
  inFlightTotal.files -= files.length;
  for (const file of files) {
    if (!isCollectable(file)) continue;
    const left = (inFlight.get(file) ?? 0) - 1;
    if (left > 0) inFlight.set(file, left);
    else inFlight.delete(file);
  }
}

let isCollecting = false;
/** Queues to empty. A packet may hold the last reference of a socket whose queue holds that of another, any number deep: no recursion. */
const doomed: PacketQueue[] = [];
let isReleasing = false;

/** Frees everything in `queues`, and in those of the sockets that are released by it. */
export function releaseQueues(queues: readonly PacketQueue[]): void {
  doomed.push(...queues);
  if (isReleasing) return;
  isReleasing = true;
  for (let queue = doomed.pop(); queue !== undefined; queue = doomed.pop()) {
    for (let packet = queue.shift(); packet !== null; packet = queue.shift()) packet.release();
  }
  isReleasing = false;
}

/** Frees unreachable cycles. Called when a Unix socket is closed while others are in flight. */
export function collectGarbage(): void {
  if (inFlight.size === 0 || isCollecting || isReleasing) return;
  const outside = new Map<Collectable, number>();
  for (const [socket, count] of inFlight) if (socket.refCount === count) outside.set(socket, count);
  if (outside.size === 0) return;
  const candidates = [...outside.keys()];
  forEachCarried(candidates, (socket) => {
    const count = outside.get(socket);
    if (count !== undefined) outside.set(socket, count - 1);
  });
  const alive = candidates.filter((socket) => (outside.get(socket) as number) > 0);
  const reached = new Set<Collectable>(alive);
  for (let i = 0; i < alive.length; i++) {
    forEachCarried([alive[i] as Collectable], (socket) => {
      if (!outside.has(socket) || reached.has(socket)) return;
      reached.add(socket);
      alive.push(socket);
    });
  }
  isCollecting = true;
  for (const socket of candidates) if (!reached.has(socket)) socket.purgeQueues();
  isCollecting = false;
}

/** Calls visit for each Unix socket carried in the queues of `sockets`, once per reference. */
function forEachCarried(sockets: readonly Collectable[], visit: (socket: Collectable) => void): void {
  for (const socket of sockets) {
    for (const queue of socket.collectQueues()) {
      for (const packet of queue) for (const file of packet.files ?? []) if (isCollectable(file)) visit(file);
    }
  }
}
