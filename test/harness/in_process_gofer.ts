// SPDX-License-Identifier: Apache-2.0

/**
 * The Gofer's server and the Sentry's client in one process, joined by function calls: every byte still goes through the
 * protocol. The working directory becomes /proc/self/fd, as in a Gofer process.
 */
import * as ffi from '../../platform/ffi/gofer_calls.ts';
import { FRAME_MAX } from '../../gofer/protocol/constants.ts';
import { GoferServer, prepareProcess } from '../../gofer/server/server.ts';
import { GoferConnection, type GoferTransport, type RootInfo } from '../../sentry/fs/gofer/connection.ts';
import { GoferFilesystem, type GoferSharing } from '../../sentry/fs/gofer/gofer_filesystem.ts';
import { nodeHostFiles } from './node_host.ts';

export class InProcessTransport implements GoferTransport {
  readonly buffer = new Uint8Array(FRAME_MAX);
  readonly server: GoferServer;
  private length = 0;
  private fd = -1;

  constructor(server: GoferServer) {
    this.server = server;
  }

  send(frame: Uint8Array): number {
    const request = frame.slice();
    const reply = this.server.handleFrame(request, request.length);
    this.length = 0;
    if (this.fd >= 0) ffi.close(this.fd);
    this.fd = -1;
    if (reply instanceof Uint8Array) {
      this.buffer.set(reply);
      this.length = reply.length;
      this.fd = this.server.reply.passFd;
      this.server.reply.passFd = -1;
    }
    return typeof reply === 'number' ? reply : frame.length;
  }

  receive(): number {
    return this.length;
  }

  takeFd(): number {
    const fd = this.fd;
    this.fd = -1;
    return fd;
  }
}

export interface TestGofer {
  readonly fs: GoferFilesystem;
  readonly connection: GoferConnection;
  readonly server: GoferServer;
  deaths: string[];
}

/** A gofer filesystem over `hostDir`. */
export function makeGofer(
  hostDir: string,
  sharing: GoferSharing,
  options: { readonly?: boolean; controlLimit?: number } = {},
): TestGofer {
  // O_PATH | O_DIRECTORY | O_CLOEXEC
  const fd = ffi.openat(-100, hostDir, 0o12200000, 0);
  if (fd < 0) throw new Error(`cannot open ${hostDir}: ${fd}`);
  const ready = prepareProcess(-1);
  if (ready < 0) throw new Error(`prepareProcess: ${ready}`);
  const server = new GoferServer(
    [{ fd, readonly: options.readonly ?? false, hostUds: false }],
    options.controlLimit ?? 1024,
  );
  const deaths: string[] = [];
  const connection = new GoferConnection(new InProcessTransport(server), (reason) => deaths.push(reason));
  const greeted = connection.handshake();
  if (greeted < 0) throw new Error(`handshake: ${greeted}`);
  return {
    fs: new GoferFilesystem(connection, connection.roots[0] as RootInfo, sharing, nodeHostFiles),
    connection,
    server,
    deaths,
  };
}
