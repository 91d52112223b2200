// SPDX-License-Identifier: Apache-2.0

/**
 * A command's connection to a running sandbox's control socket.
 *
 * Invariants: the Sentry is not trusted: it may not answer (deadlines), or with nonsense (an error).
 */
import { join } from 'node:path';
import { memfdOf } from '../../platform/ffi/config_memfd.ts';
import { close, open, poll } from '../../platform/ffi/lifecycle.ts';
import { bind, connect, listen, recvmsg, sendmsg, socket } from '../../platform/ffi/sockets.ts';
import { type Command, decodeReply, encode, MAX_INLINE, MAX_REQUEST, type Reply } from '../../sentry/control/messages/commands.ts';
import { errnoWords, RunscError } from '../errors.ts';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SOCK_SEQPACKET_CLOEXEC = 5 | 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const EAGAIN = -11;
const POLLIN = 1;
const MSG_NOSIGNAL = 0x4000;
/** How long a sandbox may take to answer. */
export const ANSWER_MS = 10_000;

/** Calls `use` with the socket address of <directory>/<name>, which may be longer than a socket address. */
function atAddress(directory: string, name: string, use: (address: Uint8Array) => number): number {
  const dir = open(directory, O_PATH_CLOEXEC);
  if (dir < 0) return dir;
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(`/proc/self/fd/${dir}/${name}\0`)]);
  const result = address.length > 110 ? -36 : use(address);
  close(dir);
  return result;
}

/** A listening control socket in a state directory. Throws RunscError. */
export function listenIn(directory: string): number {
  const fd = socket(AF_UNIX, SOCK_SEQPACKET_CLOEXEC | SOCK_NONBLOCK, 0);
  const bound = fd < 0 ? fd : atAddress(directory, 'control.sock', (address) => bind(fd, address));
  const result = bound < 0 ? bound : listen(fd, 64);
  if (result < 0) throw new RunscError(`control socket in ${directory}: ${errnoWords(result)}`);
  return fd;
}

/** A listening stream socket <directory>/<name>. Throws RunscError. */
export function listenStream(directory: string, name: string): number {
  const fd = socket(AF_UNIX, SOCK_STREAM_CLOEXEC | SOCK_NONBLOCK, 0);
  const bound = fd < 0 ? fd : atAddress(directory, name, (address) => bind(fd, address));
  const result = bound < 0 ? bound : listen(fd, 4);
  if (result < 0) throw new RunscError(`socket ${directory}/${name}: ${errnoWords(result)}`);
  return fd;
}

/** Connects to a stream socket by path. Returns the descriptor or errno. */
export function connectStream(path: string): number {
  const at = path.lastIndexOf('/');
  const fd = socket(AF_UNIX, SOCK_STREAM_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fd;
  const deadline = Date.now() + ANSWER_MS;
  const attempt = (): number => atAddress(at < 0 ? '.' : path.slice(0, at) || '/', path.slice(at + 1), (address) => connect(fd, address));
  let result = attempt();
  // The queue of a listener that does not accept is full.
  while (result === EAGAIN && Date.now() < deadline) {
    poll([], 20);
    result = attempt();
  }
  if (result >= 0) return fd;
  close(fd);
  return result;
}

export class ControlClient {
  readonly fd: number;
  private readonly buffer = Buffer.alloc(1 << 20);
  private readonly noFds = new Int32Array(2);

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Connects. Null: nobody listens any more. */
  static connect(directory: string): ControlClient | null {
    const fd = socket(AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0);
    if (fd < 0) return null;
    const result = atAddress(join(directory), 'control.sock', (address) => connect(fd, address));
    if (result >= 0) return new ControlClient(fd);
    close(fd);
    return null;
  }

  /** Sends a command. Throws RunscError. */
  send(command: Command, fds: readonly number[] = []): void {
    const bytes = encode(command);
    if (bytes.length > MAX_REQUEST) throw new RunscError('argument list too long');
    let result: number;
    if (bytes.length <= MAX_INLINE) result = sendmsg(this.fd, bytes, bytes.length, fds, MSG_NOSIGNAL);
    else {
      const memfd = memfdOf('command', Buffer.from(bytes));
      const short = encode({ memfd: bytes.length });
      result = memfd < 0 ? memfd : sendmsg(this.fd, short, short.length, [...fds, memfd], MSG_NOSIGNAL);
      close(memfd);
    }
    if (result < 0) throw new RunscError(`the sandbox does not take commands: ${errnoWords(result)}`);
  }

  /** Like send(). False: nobody takes commands any more. */
  trySend(command: Command): boolean {
    try {
      this.send(command);
      return true;
    } catch (error) {
      if (error instanceof RunscError) return false;
      throw error;
    }
  }

  /** The next reply; null: the sandbox ended, or did not answer for `timeoutMs` (-1: for ever). */
  receive(timeoutMs = ANSWER_MS): Reply | null {
    const entry = { fd: this.fd, events: POLLIN, revents: 0 };
    for (;;) {
      const ready = poll([entry], timeoutMs);
      if (ready === -4) continue;
      if (ready <= 0) return null;
      const n = recvmsg(this.fd, this.buffer, this.noFds, 0);
      if (n === -4) continue;
      return n <= 0 ? null : decodeReply(this.buffer.subarray(0, n));
    }
  }

  close(): void {
    close(this.fd);
  }
}

/** Sends one command and waits for its answer. Null: the sandbox is gone. Throws RunscError when it refuses. */
export function ask(directory: string, command: Command): Reply | null {
  const client = ControlClient.connect(directory);
  if (client === null) return null;
  try {
    client.send(command);
    const reply = client.receive();
    if (reply?.type === 'failed') throw new RunscError(reply.message);
    return reply;
  } finally {
    client.close();
  }
}
