// SPDX-License-Identifier: Apache-2.0

/**
 * HostSockets over ffi: internet sockets of the host, all of them non-blocking.
 */
import { EINTR } from '../abi/linux/errno.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../abi/linux/socket.ts';
import { prlimit } from '../ffi/process.ts';
import { receiveMessage, sendMessage } from '../ffi/socket_messages.ts';
import * as sockets from '../ffi/sockets.ts';
import type { HostSockets } from '../platform.ts';

const RLIMIT_NOFILE = 7;
const TYPE_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC;
/** Descriptors for connections at most, as a part of those the process may have. */
const SHARE = 0.5;

const length = new Int32Array(1);

/** Raises the limit of open descriptors as far as it goes. Returns it. */
function descriptorLimit(): number {
  const limits = new BigUint64Array(2);
  if (prlimit(0, RLIMIT_NOFILE, null, limits) < 0) return 1024;
  const hard = limits[1] as bigint;
  if ((limits[0] as bigint) < hard && prlimit(0, RLIMIT_NOFILE, BigUint64Array.of(hard, hard), null) < 0)
    return Math.min(Number(limits[0]), 1 << 20);
  return Math.min(Number(hard), 1 << 20);
}

/** Creates the socket calls. Call it before the seccomp filter is installed. */
export function createHostSockets(): HostSockets {
  return {
    maxSockets: Math.floor(descriptorLimit() * SHARE),
    open: (family, type, protocol) => sockets.socket(family, type | TYPE_FLAGS, protocol),
    bind: (fd, address) => sockets.bind(fd, address),
    connect(fd, address) {
      const r = sockets.connect(fd, address);
      return r === EINTR ? sockets.connect(fd, address) : r;
    },
    listen: sockets.listen,
    accept(fd, from) {
      length[0] = from.address.length;
      const r = sockets.accept4(fd, from.address, length, TYPE_FLAGS);
      from.addressLength = r < 0 ? 0 : Math.min(length[0] as number, from.address.length);
      return r;
    },
    name(fd, which, out) {
      length[0] = out.length;
      const r = which === 'local' ? sockets.getsockname(fd, out, length) : sockets.getpeername(fd, out, length);
      return r < 0 ? r : Math.min(length[0] as number, out.length);
    },
    shutdown: sockets.shutdown,
    getOption(fd, level, name, value) {
      length[0] = value.length;
      const r = sockets.getsockopt(fd, level, name, value, length);
      return r < 0 ? r : Math.min(length[0] as number, value.length);
    },
    setOption: sockets.setsockopt,
    send: sendMessage,
    receive: receiveMessage,
  };
}
