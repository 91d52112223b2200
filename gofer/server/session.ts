// SPDX-License-Identifier: Apache-2.0

/**
 * What the handlers of one connection share: controls, roots and the directory stream.
 */
import { close } from '../../platform/ffi/gofer_calls.ts';
import { ATTR_SIZE } from '../protocol/constants.ts';
import { type Controls, type Place, type Root, readAttr } from '../tree/controls.ts';
import type { Reply } from './reply.ts';

export class Session {
  readonly controls: Controls;
  /** Control ids of the roots, in configuration order. */
  readonly rootControls: readonly number[];
  /** The one directory being listed over several frames. */
  streamId = 0;
  streamFd = -1;
  /** The inotify instance, once something is watched, and the number of its watches. */
  notifyFd = -1;
  readonly watches = new Set<number>();
  /** The descriptor that came with the request being served, or -1; it is closed afterwards. */
  passedFd = -1;
  /** Sockets may be bound to privileged ports. */
  allowsLowPorts = false;
  private nextStream = 1;

  constructor(controls: Controls, rootControls: readonly number[]) {
    this.controls = controls;
    this.rootControls = rootControls;
  }

  /** Appends the attributes behind fd to the reply. Returns 0 or errno. */
  pushAttr(reply: Reply, fd: number): number {
    const record = Buffer.allocUnsafe(ATTR_SIZE);
    const r = readAttr(fd, record, 0);
    if (r < 0) return r;
    reply.push(record);
    return 0;
  }

  /** Remembers an open directory to go on listing; the one before is closed. Returns its stream id. */
  openStream(fd: number): number {
    this.closeStream();
    this.streamFd = fd;
    this.streamId = this.nextStream;
    this.nextStream = (this.nextStream % 0x7fffffff) + 1;
    return this.streamId;
  }

  closeStream(): void {
    if (this.streamFd >= 0) close(this.streamFd);
    this.streamFd = -1;
    this.streamId = 0;
  }

  /** Runs `use` on a resolved place and lets go of it. */
  withPlace(id: number, names: readonly string[], use: (place: Place) => number): number {
    const place = this.controls.resolve(id, names);
    if (typeof place === 'number') return place;
    const r = use(place);
    this.controls.release(place);
    return r;
  }

  /** As withPlace(), for a directory. */
  withDir(id: number, names: readonly string[], use: (place: Place) => number): number {
    const place = this.controls.resolveDir(id, names);
    if (typeof place === 'number') return place;
    const r = use(place);
    this.controls.release(place);
    return r;
  }

  root(index: number): Root | null {
    const id = this.rootControls[index];
    return id === undefined ? null : (this.controls.get(id)?.root ?? null);
  }

  /** Ends the connection. */
  release(): void {
    this.closeStream();
    if (this.notifyFd >= 0) close(this.notifyFd);
    this.notifyFd = -1;
    this.watches.clear();
    this.controls.clear();
  }
}

/** Handler of one method: checked arguments [id, method, ...args] in, results into reply; returns 0 or errno. */
export type Handler = (session: Session, args: readonly unknown[], reply: Reply) => number;

/** Closes a donated descriptor that will not be sent. */
export function dropPassedFd(reply: Reply): void {
  if (reply.passFd >= 0) close(reply.passFd);
  reply.passFd = -1;
}
