// SPDX-License-Identifier: Apache-2.0

/**
 * Descriptors from 3 on that the caller passes to the container: those of socket activation, then those of --preserve-fds.
 *
 * systemd: sd_listen_fds(3)
 */
import { readlinkSync } from 'node:fs';
import { RunscError } from '../errors.ts';

const FIRST = 3;
const MAX_FDS = 250;

/** How many sockets were passed to this process; 0 when they are meant for another. */
export function listenFds(): number {
  const { LISTEN_FDS: count = '', LISTEN_PID: pid = '' } = process.env;
  if (pid !== String(process.pid) || !/^\d{1,3}$/.test(count)) return 0;
  return Math.min(Number(count), MAX_FDS);
}

/** The descriptors to pass on, all of them the caller's: the first that Node opens, at the lowest free number, is an epoll. Throws RunscError. */
export function inheritedFds(listening: number, preserved: number): number[] {
  const total = listening + preserved;
  const fds = Array.from({ length: total }, (_, i) => FIRST + i);
  for (const fd of fds) {
    if (NOBODYS.includes(targetOf(fd))) throw new RunscError(`unable to stat preserved-fd ${fd} (of ${total}): no such file or directory`);
  }
  return fds;
}

const NOBODYS = ['', 'anon_inode:[eventpoll]'];

function targetOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

/** What the container's first process is told of its sockets. */
export function listenEnvironment(listening: number): string[] {
  return listening === 0 ? [] : [`LISTEN_FDS=${listening}`, 'LISTEN_PID=1'];
}
