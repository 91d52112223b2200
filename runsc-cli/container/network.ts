// SPDX-License-Identifier: Apache-2.0

/**
 * The loopback interface of a new network namespace: down until somebody brings it up.
 *
 * Linux: netdevice(7)
 */
import { close, ioctl } from '../../platform/ffi/files.ts';
import { socket } from '../../platform/ffi/sockets.ts';

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCSIFFLAGS = 0x8914;
const IFREQ_SIZE = 40;
const IFREQ_FLAGS = 16;
const IFF_UP_RUNNING = 0x41;

/** Brings up lo in the network namespace this process is in. Returns 0 or errno. */
export function bringUpLoopback(): number {
  const fd = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return fd;
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write('lo', 'latin1');
  request.writeUInt16LE(IFF_UP_RUNNING, IFREQ_FLAGS);
  const result = ioctl(fd, SIOCSIFFLAGS, request);
  close(fd);
  return result;
}
