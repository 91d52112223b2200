// SPDX-License-Identifier: Apache-2.0

/**
 * SOL_SOCKET options that are one number, kept and shown: what values they take and of which sockets.
 *
 * Linux: net/core/sock.c (sk_setsockopt, sk_getsockopt)
 */
import { EBADF, EINVAL, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../../platform/abi/linux/errno.ts';
import * as abi from '../../platform/abi/linux/socket.ts';
import type { Socket } from '../../sentry/net/socket.ts';

export interface SocketRule {
  readonly initial: number;
  /** What is kept of a value, or `refused` with errno. */
  readonly check: (value: number, socket: Socket, now: number) => number;
  /** Bytes of the value: 4, or 8 with zeros after the number. */
  readonly size: 4 | 8;
  /** getsockopt does not know it. */
  readonly isHidden: boolean;
  /** Whether sockets of this kind have it at all (EOPNOTSUPP). */
  readonly has: (socket: Socket) => boolean;
  /** Another option that is the same one. */
  readonly sharedWith?: number;
}

/** Stands for a refused value: a NaN cannot be kept. The errno is in `refusal.errno`. */
export const refusal = { errno: EINVAL as number };
function refuse(errno: number = EINVAL): number {
  refusal.errno = errno;
  return Number.NaN;
}

const SO_DEVMEM_LINEAR = 78;
const SO_DEVMEM_DONTNEED = 80;
const SO_PASSPIDFD = 76;
const SO_RCVPRIORITY = 82;
const SO_PASSRIGHTS = 83;
const SO_INQ = 84;
const TIMESTAMPING_MASK = (1 << 19) - 1;
const TIMESTAMPING_OPT_ID = 128;
const TIMESTAMPING_OPT_ID_TCP = 65536;

const base = { size: 4 as const, isHidden: false, has: (): boolean => true };
const toggle = (initial = 0): SocketRule => ({ ...base, initial, check: (value) => (value !== 0 ? 1 : 0) });
const any = (initial: number): SocketRule => ({ ...base, initial, check: (value) => value });
const range = (initial: number, low: number, high: number): SocketRule => ({
  ...base,
  initial,
  check: (value) => (value >= low && value <= high ? value : refuse()),
});
const readOnly = (initial: number): SocketRule => ({ ...base, initial, check: () => refuse(ENOPROTOOPT) });
const INT_MAX = 0x7fffffff;

const isUnix = (socket: Socket): boolean => socket.family === abi.AF_UNIX;
const isInternet = (socket: Socket): boolean => socket.family === abi.AF_INET || socket.family === abi.AF_INET6;
const isTcpOrUdp = (socket: Socket): boolean => isInternet(socket) && socket.type !== 3;
const isInternetStream = (socket: Socket): boolean => !isUnix(socket) && socket.type === abi.SOCK_STREAM;
/** Only those that can be told who sent (sk_may_scm_recv). */
const ofUnix = (rule: SocketRule): SocketRule => ({ ...rule, has: isUnix });
const timestamping: SocketRule = {
  ...base,
  size: 8,
  initial: 0,
  sharedWith: abi.SO_TIMESTAMPING,
  check: (value, socket) => {
    if (value < 0 || value > TIMESTAMPING_MASK) return refuse();
    if ((value & TIMESTAMPING_OPT_ID) !== 0) return isInternetStream(socket) ? refuse() : value;
    return (value & TIMESTAMPING_OPT_ID_TCP) !== 0 ? refuse() : value;
  },
};

export const SOCKET_RULES: ReadonlyMap<number, SocketRule> = new Map<number, SocketRule>([
  [abi.SO_DEBUG, toggle()],
  [abi.SO_REUSEADDR, toggle()],
  [
    abi.SO_REUSEPORT,
    { ...toggle(), check: (value, socket) => (value !== 0 ? (isInternet(socket) ? 1 : refuse(EOPNOTSUPP)) : 0) },
  ],
  [abi.SO_DONTROUTE, toggle()],
  [abi.SO_BROADCAST, toggle()],
  [abi.SO_KEEPALIVE, toggle()],
  [abi.SO_OOBINLINE, toggle()],
  [abi.SO_NO_CHECK, toggle()],
  [abi.SO_TIMESTAMP, toggle()],
  [abi.SO_TIMESTAMPNS, toggle()],
  [abi.SO_PASSCRED, { ...toggle(), has: (socket) => isUnix(socket) || socket.family === abi.AF_NETLINK }],
  [abi.SO_PASSSEC, { ...toggle(), has: (socket) => isUnix(socket) || socket.family === abi.AF_NETLINK }],
  [SO_PASSPIDFD, ofUnix(toggle())],
  [SO_PASSRIGHTS, ofUnix(toggle(1))],
  [
    SO_INQ,
    {
      ...range(0, 0, 1),
      isHidden: true,
      check: (value, socket) => {
        if (!isUnix(socket) || socket.type !== abi.SOCK_STREAM) return refuse(ENOPROTOOPT);
        return value === 0 || value === 1 ? value : refuse();
      },
    },
  ],
  [abi.SO_BSDCOMPAT, { ...any(0), check: () => 0 }],
  [abi.SO_TIMESTAMPING, timestamping],
  [abi.SO_TIMESTAMPING_NEW, timestamping],
  [abi.SO_RXQ_OVFL, toggle()],
  [abi.SO_WIFI_STATUS, toggle()],
  [abi.SO_NOFCS, toggle()],
  [
    abi.SO_LOCK_FILTER,
    { ...toggle(), check: (value, _socket, now) => (value === 0 && now !== 0 ? refuse(EPERM) : value !== 0 ? 1 : 0) },
  ],
  [abi.SO_SELECT_ERR_QUEUE, toggle()],
  [abi.SO_BUSY_POLL, range(0, 0, INT_MAX)],
  [abi.SO_BUSY_POLL_BUDGET, { ...range(8, 0, 65535), isHidden: true }],
  [abi.SO_PREFER_BUSY_POLL, toggle()],
  [abi.SO_MAX_PACING_RATE, any(-1)],
  [abi.SO_BPF_EXTENSIONS, readOnly(64)],
  [abi.SO_INCOMING_CPU, any(-1)],
  [abi.SO_INCOMING_NAPI_ID, readOnly(0)],
  [abi.SO_CNX_ADVICE, { ...any(0), isHidden: true }],
  [
    abi.SO_ZEROCOPY,
    {
      ...any(0),
      check: (value, socket) =>
        !isTcpOrUdp(socket) ? refuse(EOPNOTSUPP) : value === 0 || value === 1 ? value : refuse(),
    },
  ],
  [abi.SO_TXTIME, { ...any(0), size: 8, check: () => refuse() }],
  [abi.SO_BINDTOIFINDEX, range(0, 0, INT_MAX)],
  [abi.SO_TIMESTAMP_NEW, toggle()],
  [abi.SO_TIMESTAMPNS_NEW, toggle()],
  [abi.SO_BUF_LOCK, range(0, 0, 3)],
  [abi.SO_RESERVE_MEM, { ...any(0), check: (value) => refuse(value < 0 ? EINVAL : EOPNOTSUPP) }],
  [
    abi.SO_TXREHASH,
    { ...any(1), has: isInternetStream, check: (value) => (value < -1 || value > 1 ? refuse() : value !== 0 ? 1 : 0) },
  ],
  [abi.SO_RCVMARK, toggle()],
  [SO_RCVPRIORITY, toggle()],
  ...Array.from(
    { length: SO_DEVMEM_DONTNEED - SO_DEVMEM_LINEAR + 1 },
    (_, i) =>
      [SO_DEVMEM_LINEAR + i, { ...any(0), isHidden: true, check: () => refuse(i === 2 ? EBADF : ENOPROTOOPT) }] as [
        number,
        SocketRule,
      ],
  ),
]);
