// SPDX-License-Identifier: Apache-2.0

/**
 * `start`: prints the address of the shim that serves a container, starting it unless its pod has one already.
 *
 * Invariants: the socket is there when the address is printed. The shim holds neither our standard output nor our standard error:
 *             containerd waits for their end.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { messageOf, RunscError } from '../errors.ts';
import { socketPath } from './address.ts';
import { checkNames, type ShimFlags } from './flags.ts';
import { serving } from './parts.ts';
import { answers, removeSocket } from './socket_file.ts';

const ATTEMPTS = 5;

/** Returns the exit status; null: this process is the shim now. */
export async function startAction(flags: ShimFlags): Promise<number | null> {
  checkNames(flags);
  const bundle = process.cwd();
  const path = socketPath(flags, bundle);
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  const server = await listenOrJoin(path);
  if (server !== null) {
    const pid = flags.stay ? process.pid : startDaemon(flags, path, server);
    raiseOomScore(pid);
    const options = readStdin();
    if (options.length > 0) serving().joinShimCgroup(options, flags, pid);
    replace(join(bundle, 'shim.pid'), String(pid));
  }
  replace(join(bundle, 'address'), `unix://${path}`);
  writeSync(1, `unix://${path}`);
  if (server === null || !flags.stay) return 0;
  // The launcher waits for the end of our output, and containerd for its.
  for (const fd of [0, 1, 2]) {
    closeSync(fd);
    openSync('/dev/null', 'r+');
  }
  serving().runDaemon({ ...flags, socket: path }, server);
  return null;
}

/** Listens; null: somebody does already. Throws RunscError. */
async function listenOrJoin(path: string): Promise<Server | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const server = createServer();
    const before = process.umask(0o177);
    const listening = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(new RunscError(`listen ${path}: ${error.message}`))));
      server.listen(path, () => resolve(true));
    });
    process.umask(before);
    if (listening) return server;
    if (await answers(path)) return null;
    removeSocket(path);
  }
  throw new RunscError(`listen ${path}: address already in use`);
}

/** This program again, with the socket as descriptor 3. Returns its pid. */
function startDaemon(flags: ShimFlags, path: string, server: Server): number {
  const args = ['-namespace', flags.namespace, '-id', flags.id, '-address', flags.address, '-publish-binary', flags.publishBinary, '-socket', path, ...(flags.debug ? ['-debug'] : [])];
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', (server as unknown as { _handle: { fd: number } })._handle.fd],
  });
  if (child.pid === undefined) throw new RunscError('the shim could not be started');
  child.unref();
  return child.pid;
}

/** containerd may be protected from the kernel's choice of victims; what runs below it should not be. */
function raiseOomScore(pid: number): void {
  try {
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'latin1'));
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.min(1000, own + 1)));
  } catch {
    // It stays as it is.
  }
}

function readStdin(): Uint8Array {
  try {
    return readFileSync(0);
  } catch {
    return new Uint8Array();
  }
}

function replace(path: string, text: string): void {
  try {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw new RunscError(`${path}: ${messageOf(error)}`);
  }
}
