// SPDX-License-Identifier: Apache-2.0

/**
 * The shim itself: serves containerd over the socket that `start` left as descriptor 3, until its last container is gone.
 *
 * Invariants: it ends only when told (Shutdown, SIGTERM), and takes its socket with it. containerd going away and coming back changes nothing.
 */
import { once } from 'node:events';
import { constants, openSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setsid } from '../../platform/ffi/lifecycle.ts';
import { getsockopt } from '../../platform/ffi/sockets.ts';
import { messageOf } from '../errors.ts';
import { Publisher } from './events/publisher.ts';
import { checkNames, type ShimFlags } from './flags.ts';
import { Reaper } from './reaper.ts';
import { removeSocket } from './socket_file.ts';
import { METHODS, SERVICES } from './task/methods.ts';
import { TaskService } from './task/service.ts';
import { serve } from './ttrpc/server.ts';

const LISTENER = 3;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** For what containerd is still to be told. */
const LAST_WORDS_MS = 500;

/** Serves on descriptor 3, or a server that listens already; returns when it is set up. */
export function runDaemon(flags: ShimFlags, listening: Server | null = null): void {
  checkNames(flags);
  setsid();
  const log = openLog();
  process.chdir('/');
  for (const signal of ['SIGHUP', 'SIGPIPE'] as const) process.on(signal, () => {});
  process.on('uncaughtException', (error) => log(error.stack ?? error.message));
  process.on('unhandledRejection', (error) => log(messageOf(error)));
  const reaper = new Reaper();
  reaper.start();
  const events = new Publisher({ namespace: flags.namespace, ttrpcAddress: process.env['TTRPC_ADDRESS'] ?? '', address: flags.address, publishBinary: flags.publishBinary }, reaper, log);
  let isEnding = false;
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    server.close();
    removeSocket(flags.socket);
    // Not at once: the answer to Shutdown is to get out.
    void events.drained().then(() => setImmediate(() => {
      setTimeout(() => process.exit(0), LAST_WORDS_MS);
      for (const socket of sockets) socket.end();
      void Promise.all([...sockets].map((socket) => once(socket, 'finish'))).then(() => process.exit(0));
    }));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
  const service = new TaskService({ namespace: flags.namespace, debug: flags.debug, reaper, events, log, onShutdown: end });
  const methods = { method: (name: string) => (Object.hasOwn(METHODS, name) ? METHODS[name]?.(service) ?? null : null) };
  const sockets = new Set<Socket>();
  const server = listening ?? createServer();
  server.on('connection', (socket) => {
    if (!isOwn(socket)) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, { find: (name) => (SERVICES.includes(name) ? methods : null) }, log);
  });
  server.on('error', (error) => log(error.message));
  if (listening === null) server.listen({ fd: LISTENER });
}

/** Nobody but this user may command containers. */
function isOwn(socket: Socket): boolean {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const credentials = Buffer.alloc(12);
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, Int32Array.of(12)) === 0 && credentials.readUInt32LE(4) === process.geteuid?.();
}

/** containerd reads the FIFO `log` in the bundle, and shows it as its own messages. */
function openLog(): (message: string) => void {
  let fd = -1;
  try {
    fd = openSync('log', constants.O_RDWR | constants.O_NONBLOCK);
  } catch {
    // Nobody wants to know.
  }
  return (message) => {
    const line = `time="${new Date().toISOString()}" level=error msg=${JSON.stringify(message)} shim=runsc-ts\n`;
    try {
      if (fd >= 0) writeSync(fd, line);
    } catch {
      // Full: it is not read.
    }
  };
}
