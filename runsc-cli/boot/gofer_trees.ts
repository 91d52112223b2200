// SPDX-License-Identifier: Apache-2.0

/**
 * The Gofer's trees as filesystems of the sandbox.
 */
import type { HostServices, Platform } from '../../platform/platform.ts';
import { GoferConnection, SocketTransport } from '../../sentry/fs/gofer/connection.ts';
import { HostWatches } from '../../sentry/fs/gofer/host_watches.ts';
import { GoferFilesystem } from '../../sentry/fs/gofer/gofer_filesystem.ts';
import { lowPorts } from '../../sentry/net/host/host_socket.ts';
import { mayBindLowPorts, type SandboxConfig } from '../sandbox/config.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import { StartError } from './start_error.ts';

/** One filesystem per tree of the configuration, in order. */
export type GoferTrees = readonly GoferFilesystem[];

/** Shakes hands with the Gofer. `onDeath` is told when the connection breaks. Throws StartError. */
export function connectGofer(host: HostServices, platform: Platform, fd: number, config: SandboxConfig, onDeath: (why: string) => void): GoferTrees {
  let reason = 'it did not answer';
  const connection = new GoferConnection(new SocketTransport(host.files, fd), (why) => {
    reason = why;
    onDeath(why);
  });
  if (connection.handshake() < 0) throw new StartError(`the gofer could not be reached: ${reason}`, EXIT_OWN_FAILURE);
  connection.watches = new HostWatches(connection, host.files, platform);
  if (connection.roots.length !== config.trees.length) throw new StartError('the gofer serves other trees than it was asked to', EXIT_OWN_FAILURE);
  if (mayBindLowPorts(config)) lowPorts.bind ??= (socket, address) => connection.bindPort(socket, address);
  return connection.roots.map((root, i) => new GoferFilesystem(connection, root, config.trees[i]?.isExclusive === true ? 'exclusive' : 'shared', host.files));
}
