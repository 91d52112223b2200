// SPDX-License-Identifier: Apache-2.0

/**
 * A terminal for a container: the master goes to whoever listens on the console socket, the slave becomes the container's stdio.
 */
import { fcntl, ioctl } from '../../platform/ffi/files.ts';
import { close, open } from '../../platform/ffi/lifecycle.ts';
import { sendmsg } from '../../platform/ffi/sockets.ts';
import { connectStream } from '../container/control_client.ts';
import { errnoWords, RunscError } from '../errors.ts';

const O_RDWR_NOCTTY_CLOEXEC = 2 | 0o400 | 0o2000000;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
export const TIOCSWINSZ = 0x5414;
export const TIOCGWINSZ = 0x5413;
const MSG_NOSIGNAL = 0x4000;
const F_DUPFD_CLOEXEC = 1030;

export interface ConsoleSize {
  readonly height: number;
  readonly width: number;
}

export interface Pty {
  readonly master: number;
  readonly slave: number;
}

/** Makes a terminal. Throws RunscError. */
export function openPty(size: ConsoleSize | null): Pty {
  const master = open('/dev/ptmx', O_RDWR_NOCTTY_CLOEXEC);
  if (master < 0) throw new RunscError(`open /dev/ptmx: ${errnoWords(master)}`);
  ioctl(master, TIOCSPTLCK, Int32Array.of(0));
  let slave = ioctl(master, TIOCGPTPEER, O_RDWR_NOCTTY_CLOEXEC);
  if (slave < 0) throw new RunscError(`terminal: ${errnoWords(slave)}`);
  // Off the numbers that it will be moved to.
  if (slave <= 2) slave = fcntl(slave, F_DUPFD_CLOEXEC, 3);
  if (size !== null && size.height > 0) ioctl(master, TIOCSWINSZ, Int32Array.of((size.width << 16) | size.height, 0));
  return { master, slave };
}

/** Sends the master to a console socket and lets go of it. Throws RunscError. */
export function sendMaster(pty: Pty, socketPath: string): void {
  const fd = connectStream(socketPath);
  if (fd < 0) throw new RunscError(`console socket ${socketPath}: ${errnoWords(fd)}`);
  const name = Buffer.from('/dev/ptmx');
  const result = sendmsg(fd, name, name.length, [pty.master], MSG_NOSIGNAL);
  close(fd);
  close(pty.master);
  if (result < 0) throw new RunscError(`console socket ${socketPath}: ${errnoWords(result)}`);
}
