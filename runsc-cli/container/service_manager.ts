// SPDX-License-Identifier: Apache-2.0

/**
 * Tells the service manager that started a container's command (NOTIFY_SOCKET) when the service inside says that it is ready.
 *
 * systemd: sd_notify(3), sd_notify_barrier(3)
 */
import { close, pipe, poll } from '../../platform/ffi/lifecycle.ts';
import { connect, sendmsg, socket } from '../../platform/ffi/sockets.ts';
import { type MountConfig, NOTIFY_DIRECTORY, NOTIFY_PATH } from '../sandbox/config.ts';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from '../spec/mount_options.ts';
import { ControlClient } from './control_client.ts';
import type { Container } from './state.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const O_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const BARRIER_MS = 30_000;

/** The socket outside; '': nobody is to be told. */
export function notifySocket(): string {
  const path = process.env['NOTIFY_SOCKET'] ?? '';
  return path.startsWith('/') || path.startsWith('@') ? path : '';
}

/** What a container gets for it. */
export const NOTIFY_MOUNT: MountConfig = { kind: 'tmpfs', destination: NOTIFY_DIRECTORY, source: 'tmpfs', flags: MS_NOSUID | MS_NODEV | MS_NOEXEC, data: 'mode=755,size=64k', tree: -1 };
export const NOTIFY_VARIABLE = `NOTIFY_SOCKET=${NOTIFY_PATH}`;

/** Waits until the container's service is ready, or the container has ended, and passes the news on. Its lock is not held. */
export function forwardReadiness(container: Container): void {
  const path = notifySocket();
  if (path === '' || !container.record.hasNotifySocket) return;
  const client = ControlClient.connect(container.directory);
  const reply = client?.trySend({ type: 'notify' }) === true ? client.receive(-1) : null;
  client?.close();
  if (reply?.type !== 'notified') return;
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)]);
  if (fd >= 0 && connect(fd, address) >= 0) {
    const text = Buffer.from(`READY=1\nMAINPID=${container.process?.pid ?? 0}\n`);
    if (sendmsg(fd, text, text.length, [], MSG_NOSIGNAL) >= 0) barrier(fd);
  }
  close(fd);
}

/** Waits until the manager has read what was sent: it closes the descriptor that comes with the barrier. */
function barrier(fd: number): void {
  const ends = pipe(O_CLOEXEC);
  if (typeof ends === 'number') return;
  const text = Buffer.from('BARRIER=1');
  const sent = sendmsg(fd, text, text.length, [ends[1]], MSG_NOSIGNAL);
  close(ends[1]);
  if (sent >= 0) poll([{ fd: ends[0], events: 0, revents: 0 }], BARRIER_MS);
  close(ends[0]);
}
