// SPDX-License-Identifier: Apache-2.0

/**
 * V8's code cache of the bundle, written at build time by a process that has just done the work: the functions compiled by then are in
 * it, and need not be compiled at the next start.
 *
 * The Sentry of a sandbox knows most of them: what the command line ran before the fork, and its own. The Gofer's are run here once over a
 * connection inside the process.
 */
import { GoferServer } from '../../gofer/server/server.ts';
import { open, write } from '../../platform/ffi/lifecycle.ts';
import type { HostServices } from '../../platform/platform.ts';
import { GoferConnection, type GoferTransport } from '../../sentry/fs/gofer/connection.ts';
import { GoferFilesystem } from '../../sentry/fs/gofer/gofer_filesystem.ts';

/** An inherited descriptor that the cache goes to; only the build opens it. */
const CACHE_FD = 9;
const O_PATH = 0o10000000;
let make: (() => Uint8Array) | null = null;

export function setCodeCacheMaker(maker: () => Uint8Array): void {
  make = maker;
}

/** The descriptor to keep open, or none. */
export function codeCacheDescriptors(): readonly number[] {
  return make === null ? [] : [CACHE_FD];
}

/** Writes the cache when this process was started to make it. */
export function writeCodeCache(): void {
  if (make !== null) write(CACHE_FD, make());
}

/** Runs the Gofer's server and client against each other. */
export function warmGofer(host: HostServices): void {
  if (make === null) return;
  const server = new GoferServer([{ fd: open('/', O_PATH), readonly: true, hostUds: false }], 64);
  const buffer = Buffer.alloc(65536);
  let length = 0;
  const transport: GoferTransport = {
    buffer,
    send: (frame) => {
      const reply = server.handleFrame(frame, frame.length);
      length = 0;
      if (reply !== null && typeof reply !== 'number') {
        buffer.set(reply);
        length = reply.length;
      }
      return frame.length;
    },
    receive: () => length,
    takeFd: () => server.reply.passFd,
  };
  const connection = new GoferConnection(transport, () => {});
  if (connection.handshake() < 0) return;
  const fs = new GoferFilesystem(connection, connection.roots[0] as (typeof connection.roots)[number], 'exclusive', host.files);
  fs.root.refreshAttributes();
}
