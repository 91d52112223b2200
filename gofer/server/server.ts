// SPDX-License-Identifier: Apache-2.0

/**
 * The Gofer's connection: one frame in, one frame out, until the Sentry is gone.
 *
 * Invariants: the client is hostile. A frame that does not decode ends the connection. No exception leaves handleFrame().
 *             The loop is synchronous and never returns to Node's event loop.
 */
import { EIO, EPROTO, errnoName } from '../../platform/abi/linux/errno.ts';
import {
  close,
  fchdir,
  MessageChannel,
  openat,
  openFileLimit,
  umask,
  warmGoferCalls,
} from '../../platform/ffi/gofer_calls.ts';
import { decodeRequest, encodeFrame } from '../protocol/codec.ts';
import * as c from '../protocol/constants.ts';
import { Controls, fileType } from '../tree/controls.ts';
import * as attributes from './handlers/attributes.ts';
import * as connection from './handlers/connection.ts';
import * as entries from './handlers/entries.ts';
import * as notify from './handlers/notify.ts';
import * as open from './handlers/open.ts';
import * as tree from './handlers/tree.ts';
import * as walk from './handlers/walk.ts';
import { Reply } from './reply.ts';
import { dropPassedFd, type Handler, Session } from './session.ts';

/** A directory or file the Sentry may use, held by an O_PATH descriptor. */
export interface GoferRoot {
  /** O_PATH (or any) descriptor of the root; runGofer() owns it. */
  readonly fd: number;
  readonly readonly: boolean;
  /** Socket files in it may be connected to. */
  readonly hostUds: boolean;
  /** Socket files may be made in it. */
  readonly hostUdsBind?: boolean;
}

export interface GoferOptions {
  /** The Gofer's end of the SOCK_SEQPACKET pair. */
  readonly socketFd: number;
  readonly roots: readonly GoferRoot[];
  /** Descriptor of this process's /proc/self/fd; -1: open it now. */
  readonly procFdDir: number;
  /** Sockets that the Sentry sends may be bound to ports below 1024. */
  readonly allowsLowPorts?: boolean;
  /** Receives one line about a broken connection. */
  readonly log: (message: string) => void;
}

const HANDLERS: readonly (Handler | undefined)[] = (() => {
  const table: (Handler | undefined)[] = [];
  table[c.HELLO] = connection.hello;
  table[c.FORGET] = connection.forget;
  table[c.WALK] = walk.walk;
  table[c.GETATTR] = walk.getattr;
  table[c.OPEN] = open.open;
  table[c.CREATE] = open.create;
  table[c.TMPFILE] = open.tmpfile;
  table[c.MKDIR] = entries.mkdir;
  table[c.MKNOD] = entries.mknod;
  table[c.SYMLINK] = entries.symlink;
  table[c.LINK] = entries.link;
  table[c.UNLINK] = entries.unlink;
  table[c.RENAME] = entries.rename;
  table[c.SETATTR] = attributes.setattr;
  table[c.READLINK] = walk.readlink;
  table[c.READDIR] = walk.readdir;
  table[c.STAT_MANY] = walk.stat_many;
  table[c.READDIR_TREE] = tree.readdir_tree;
  table[c.GETXATTR] = attributes.getxattr;
  table[c.SETXATTR] = attributes.setxattr;
  table[c.REMOVEXATTR] = attributes.removexattr;
  table[c.LISTXATTR] = attributes.listxattr;
  table[c.STATFS] = walk.statfs;
  table[c.FSYNC] = open.fsync;
  table[c.CONNECT] = open.connect;
  table[c.BIND] = open.bind;
  table[c.BIND_PORT] = open.bind_port;
  table[c.WATCH] = notify.watch;
  table[c.UNWATCH] = notify.unwatch;
  return table;
})();

/** Descriptors kept free for streams, donations and Node itself. */
const FD_RESERVE = 64;
const CONTROLS_MAX = 65536;

/** Serves one client's frames. */
export class GoferServer {
  readonly session: Session;
  /** Valid after handleFrame() returned true. */
  readonly reply = new Reply();
  private hasGreeted = false;

  /** Precondition: the roots' descriptors are open (a bad one answers EBADF to the client). */
  constructor(roots: readonly GoferRoot[], controlLimit: number) {
    const controls = new Controls(c.FIRST_ROOT_CONTROL, controlLimit);
    const ids: number[] = [];
    for (const root of roots) {
      const type = fileType(root.fd);
      ids.push(
        controls.add(
          root.fd,
          { isReadonly: root.readonly, allowsUds: root.hostUds, allowsBinding: root.hostUdsBind === true },
          type,
        ),
      );
    }
    this.session = new Session(controls, ids);
  }

  /**
   * Serves one request. Returns the encoded reply (valid until the next call; this.reply.passFd to go with it), null when
   * there is none to send, or EPROTO when the connection must end.
   */
  handleFrame(frame: Uint8Array, length: number): Uint8Array | null | number {
    const request = decodeRequest(frame, length);
    if (request === null) return EPROTO;
    const method = request[1] as number;
    if (!this.hasGreeted && method !== c.HELLO) return EPROTO;
    const handler = HANDLERS[method];
    if (handler === undefined) return EPROTO;
    const reply = this.reply;
    reply.reset();
    let errno: number;
    try {
      errno = handler(this.session, request, reply);
    } catch {
      errno = EIO;
    }
    if (method === c.FORGET) return null;
    if (method === c.HELLO) {
      if (errno < 0) return EPROTO;
      this.hasGreeted = true;
    }
    if (errno < 0) {
      dropPassedFd(reply);
      return encodeFrame([request[0] as number, errno]);
    }
    return encodeFrame([request[0] as number, 0, ...reply.values]);
  }

  /** Serves `channel` until its other end is closed. Returns 0, or errno when it broke. */
  serve(channel: MessageChannel): number {
    for (;;) {
      const n = channel.recv();
      if (n <= 0) return n;
      this.session.passedFd = channel.takeFd();
      const frame = this.handleFrame(channel.recvBuffer, n);
      if (this.session.passedFd >= 0) close(this.session.passedFd);
      if (typeof frame === 'number') return frame;
      if (frame === null) continue;
      const sent = channel.send(frame, frame.length, this.reply.passFd);
      dropPassedFd(this.reply);
      if (sent < 0) return sent;
    }
  }
}

/**
 * Makes a process ready to serve: umask 0, working directory /proc/self/fd (how descriptors are reopened). Returns 0 or errno.
 */
export function prepareProcess(procFdDir: number): number {
  warmGoferCalls();
  umask(0);
  // O_PATH | O_DIRECTORY | O_CLOEXEC
  const fd = procFdDir >= 0 ? procFdDir : openat(-100, '/proc/self/fd', 0o12200000, 0);
  if (fd < 0) return fd;
  const r = fchdir(fd);
  close(fd);
  return r;
}

/** Most controls a process with its descriptor limit may hold. */
export function controlLimit(): number {
  return Math.max(64, Math.min(CONTROLS_MAX, openFileLimit() - FD_RESERVE));
}

/** The Gofer process: serves until the Sentry is gone. Returns its exit status: 0, or 1 after a broken connection. */
export function runGofer(options: GoferOptions): number {
  const ready = prepareProcess(options.procFdDir);
  if (ready < 0) {
    options.log(`gofer: cannot use /proc/self/fd: ${errnoName(ready)}`);
    return 1;
  }
  const server = new GoferServer(options.roots, controlLimit());
  server.session.allowsLowPorts = options.allowsLowPorts === true;
  const result = server.serve(new MessageChannel(options.socketFd, c.FRAME_MAX));
  if (result < 0) options.log(`gofer: connection ended: ${errnoName(result)}`);
  server.session.release();
  return result < 0 ? 1 : 0;
}
