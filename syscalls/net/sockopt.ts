// SPDX-License-Identifier: Apache-2.0

/**
 * getsockopt(2), setsockopt(2): the options of SOL_SOCKET; everything else is the family's.
 *
 * Linux: net/core/sock.c (sk_getsockopt, sk_setsockopt); socket(7)
 */
import { CAP_NET_ADMIN } from '../../platform/abi/linux/capability.ts';
import {
  EDOM,
  EFAULT,
  EINVAL,
  ENODATA,
  ENODEV,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import {
  IPPROTO_TCP,
  SO_ACCEPTCONN,
  SO_COOKIE,
  SO_DOMAIN,
  SO_ERROR,
  SO_LINGER,
  SO_MARK,
  SO_PEEK_OFF,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERNAME,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_RCVTIMEO_NEW,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO,
  SO_SNDTIMEO_NEW,
  SO_TYPE,
  SOL_SOCKET,
} from '../../platform/abi/linux/socket.ts';
import * as abi from '../../platform/abi/linux/socket.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Socket } from '../../sentry/net/socket.ts';
import { withNetwork } from '../../sentry/net/net_namespace.ts';
import { interfaces } from '../../sentry/net/netlink/network_view.ts';
import { getFilter, setFilterOption } from '../../sentry/net/filter/filter_options.ts';
import { refusal, SOCKET_RULES, type SocketRule } from './socket_rules.ts';
import { encodeCred } from './msghdr.ts';
import { socketAt } from './socket_args.ts';

const SO_PEERPIDFD = 77;
const IFNAMSIZ = 16;
const SNDBUF_LOCK = 1;
const RCVBUF_LOCK = 2;
const TCP_RMEM_MAX = 6291456;
const MIN_SNDBUF = 4608;
const MIN_RCVBUF = 2304;
const BUFFER_MAX = 212992;
/** Longest option value read. */
const OPTLEN_MAX = 65536;
const NS = 1_000_000_000;
/** Longer timeouts are none (MAX_SCHEDULE_TIMEOUT). */
const TIMEOUT_MAX_SEC = 9.2e9;

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

function timeval(timeoutNs: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  if (timeoutNs !== Number.POSITIVE_INFINITY) {
    const sec = Math.floor(timeoutNs / NS);
    bytes.writeUInt32LE(sec % 4294967296, 0);
    bytes.writeUInt32LE(Math.floor(sec / 4294967296), 4);
    bytes.writeUInt32LE(Math.floor((timeoutNs - sec * NS) / 1000), 8);
  }
  return bytes;
}

function ruledOption(socket: Socket, name: number, rule: SocketRule): Uint8Array | Errno {
  if (rule.isHidden) return ENOPROTOOPT;
  if (!rule.has(socket)) return EOPNOTSUPP;
  const value = socket.options.flags.get(rule.sharedWith ?? name) ?? rule.initial;
  return rule.size === 8 ? new Uint8Array(Int32Array.of(value, 0).buffer) : int(value);
}
function setRuled(socket: Socket, name: number, rule: SocketRule, value: number): number {
  if (!rule.has(socket)) return EOPNOTSUPP;
  const { flags } = socket.options;
  const kept = rule.check(value, socket, flags.get(name) ?? rule.initial);
  if (Number.isNaN(kept)) return refusal.errno;
  flags.set(rule.sharedWith ?? name, kept);
  socket.optionChanged(name);
  return 0;
}

/** SO_BINDTODEVICE: an interface's name; none unbinds. Errors: ENODEV. */
function bindToDevice(socket: Socket, value: Buffer): number {
  const name = value.toString('latin1', 0, Math.min(value.length, IFNAMSIZ - 1)).split('\0', 1)[0] as string;
  const link = interfaces().find((one) => one.name === name);
  if (name !== '' && link === undefined) return ENODEV;
  socket.options.flags.set(abi.SO_BINDTOIFINDEX, link?.index ?? 0);
  return 0;
}
function boundDevice(socket: Socket): Uint8Array {
  const index = socket.options.flags.get(abi.SO_BINDTOIFINDEX) ?? 0;
  const link = interfaces().find((one) => one.index === index);
  return link === undefined ? new Uint8Array(0) : Buffer.from(`${link.name}\0`, 'latin1');
}

function getSocketOption(t: Task, socket: Socket, name: number, length: number): Uint8Array | Errno {
  const { options } = socket;
  const rule = SOCKET_RULES.get(name);
  if (rule !== undefined) return ruledOption(socket, name, rule);
  switch (name) {
    case SO_TYPE:
      return int(socket.type);
    case SO_DOMAIN:
      return int(socket.family);
    case SO_PROTOCOL:
      return int(socket.protocol);
    case SO_ERROR:
      return int(socket.takeError());
    case SO_ACCEPTCONN:
      return int(socket.isListening ? 1 : 0);
    case SO_SNDBUF:
      return int(options.sendBuffer);
    case SO_RCVBUF:
      return int(options.receiveBuffer);
    case SO_RCVLOWAT:
      return int(options.receiveLowWater);
    case SO_SNDLOWAT:
      return int(1);
    case SO_PRIORITY:
    case SO_MARK:
      return int(options.flags.get(name) ?? 0);
    case SO_PEEK_OFF:
      return hasPeekOffset(socket) ? int(options.peekOffset) : EOPNOTSUPP;
    case abi.SO_MEMINFO:
      return memoryInfo(socket);
    case abi.SO_NETNS_COOKIE:
      return length === 8 ? new Uint8Array(Uint32Array.of((socket.namespace?.tag ?? 0) + 1, 0).buffer) : EINVAL;
    case SO_LINGER:
      return new Uint8Array(Int32Array.of(options.lingerOn, options.lingerSeconds).buffer);
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
      return timeval(socket.readTimeoutNs);
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
      return timeval(socket.writeTimeoutNs);
    case SO_PEERCRED:
      return encodeCred(t, socket.peerCredentials() ?? { pid: 0, uid: 0xffffffff, gid: 0xffffffff });
    case SO_PEERGROUPS:
      return peerGroups(t, socket, length);
    case SO_PEERNAME: {
      const address = socket.peerAddress();
      if (isErrno(address)) return ENOTCONN;
      return address.length < length ? EINVAL : address;
    }
    case abi.SO_BINDTODEVICE:
      return withNetwork(socket.namespace, () => boundDevice(socket));
    case SO_PEERPIDFD:
      return peerPidfd(t, socket);
    case SO_COOKIE: {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32LE(socket.inode.ino, 0);
      return bytes;
    }
    default:
      return ENOPROTOOPT;
  }
}

/** Not raw, netlink and packet sockets. */
function hasPeekOffset(socket: Socket): boolean {
  if (socket.family === abi.AF_UNIX) return true;
  return (socket.family === abi.AF_INET || socket.family === abi.AF_INET6) && socket.type !== abi.SOCK_RAW;
}
/** SO_MEMINFO: what is queued is not told, the limits are. */
function memoryInfo({ options }: Socket): Uint8Array {
  const words = new Uint32Array(9);
  words[1] = options.receiveBuffer;
  words[3] = options.sendBuffer;
  return new Uint8Array(words.buffer);
}

/** A fresh descriptor of the peer's process. */
function peerPidfd(t: Task, socket: Socket): Uint8Array | Errno {
  const cred = socket.peerCredentials();
  const peer = cred === null ? undefined : t.kernel.tasks.get(cred.pid);
  if (peer === undefined) return ENODATA;
  const fd = t.kernel.installPidfd(t, peer.threadGroup);
  return fd < 0 ? (fd as Errno) : int(fd);
}

function peerGroups(t: Task, socket: Socket, length: number): Uint8Array | Errno {
  const cred = socket.peerCredentials();
  if (cred === null) return ENODATA;
  const { groups } = t.kernel.tasks.get(cred.pid)?.creds ?? t.creds;
  return length < groups.length * 4 ? ERANGE : new Uint8Array(Uint32Array.from(groups).buffer);
}

export function sys_getsockopt(
  t: Task,
  fd: number,
  level: number,
  name: number,
  valueAddr: number,
  lengthAddr: number,
): number {
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  if (level !== SOL_SOCKET && !socket.hasLevel(level)) return EOPNOTSUPP;
  const length = t.memory.readU32(lengthAddr);
  if (length < 0) return EFAULT;
  if (length > 0x7fffffff) return EINVAL;
  if (level === SOL_SOCKET && name === abi.SO_GET_FILTER) {
    const count = getFilter(t, socket, valueAddr, length);
    return count < 0 ? count : t.memory.writeU32(lengthAddr, count);
  }
  let value = socket.getOption(t, level, name, length, valueAddr);
  if (value === ENOPROTOOPT && level === SOL_SOCKET) value = getSocketOption(t, socket, name, length);
  if (value === ENOPROTOOPT && level !== SOL_SOCKET && !socket.hasLevel(level)) return EOPNOTSUPP;
  if (isErrno(value)) return value;
  const n = Math.min(length, value.length);
  if (n > 0 && t.memory.copyOut(valueAddr, value, 0, n) !== n) return EFAULT;
  return t.memory.writeU32(lengthAddr, n);
}

/** Reads a timeout value. Errors: EINVAL (short), EDOM. */
function parseTimeout(value: Buffer): number {
  if (value.length < 16) return EINVAL;
  const sec = value.readInt32LE(4) * 4294967296 + value.readUInt32LE(0);
  const usec = value.readInt32LE(12) * 4294967296 + value.readUInt32LE(8);
  if (usec < 0 || usec >= 1_000_000) return EDOM;
  if (sec < 0) return 0;
  return (sec === 0 && usec === 0) || sec >= TIMEOUT_MAX_SEC ? Number.POSITIVE_INFINITY : sec * NS + usec * 1000;
}

function setSocketOption(t: Task, socket: Socket, name: number, value: Buffer): number {
  if (name === abi.SO_BINDTODEVICE) return withNetwork(socket.namespace, () => bindToDevice(socket, value));
  if (value.length < 4) return EINVAL;
  const n = value.readInt32LE(0);
  const { options } = socket;
  const filtered = socket.canFilter ? setFilterOption(t, socket, name, value) : undefined;
  if (filtered !== undefined) return filtered;
  const rule = SOCKET_RULES.get(name);
  if (rule !== undefined) return setRuled(socket, name, rule, n);
  switch (name) {
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
      return setBuffer(t, socket, name, n);
    case SO_RCVLOWAT:
      options.receiveLowWater = lowWater(socket, n);
      return 0;
    case SO_PRIORITY:
      if ((n < 0 || n > 6) && !t.creds.hasCap(CAP_NET_ADMIN)) return EPERM;
      options.flags.set(name, n);
      return 0;
    case SO_MARK:
      if (!t.creds.hasCap(CAP_NET_ADMIN)) return EPERM;
      options.flags.set(name, n);
      return 0;
    case SO_PEEK_OFF:
      if (!hasPeekOffset(socket)) return EOPNOTSUPP;
      options.peekOffset = n;
      return 0;
    case SO_LINGER:
      if (value.length < 8) return EINVAL;
      options.lingerOn = n !== 0 ? 1 : 0;
      if (n !== 0) options.lingerSeconds = value.readInt32LE(4);
      return 0;
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW: {
      const timeoutNs = parseTimeout(value);
      if (timeoutNs < 0) return timeoutNs;
      if (name === SO_RCVTIMEO || name === SO_RCVTIMEO_NEW) options.receiveTimeoutNs = timeoutNs;
      else options.sendTimeoutNs = timeoutNs;
      return 0;
    }
    default:
      return ENOPROTOOPT;
  }
}

/** TCP never waits for more than half of what its buffer can become. */
function lowWater(socket: Socket, n: number): number {
  const wanted = n < 0 ? 0x7fffffff : Math.max(1, n);
  if (socket.protocol !== IPPROTO_TCP) return wanted;
  const isLocked = ((socket.options.flags.get(abi.SO_BUF_LOCK) ?? 0) & RCVBUF_LOCK) !== 0;
  return Math.min(wanted, (isLocked ? socket.options.receiveBuffer : TCP_RMEM_MAX) >> 1);
}

/** The kernel doubles what is asked for, for its own bookkeeping, and keeps it within bounds. */
function setBuffer(t: Task, socket: Socket, name: number, n: number): number {
  const isForced = name === SO_SNDBUFFORCE || name === SO_RCVBUFFORCE;
  if (isForced && !t.creds.hasCap(CAP_NET_ADMIN)) return EPERM;
  const asked = n < 0 || n > BUFFER_MAX * (isForced ? 64 : 1) ? BUFFER_MAX * (isForced ? 64 : 1) : n;
  const isSend = name === SO_SNDBUF || name === SO_SNDBUFFORCE;
  const { flags } = socket.options;
  flags.set(abi.SO_BUF_LOCK, (flags.get(abi.SO_BUF_LOCK) ?? 0) | (isSend ? SNDBUF_LOCK : RCVBUF_LOCK));
  if (isSend) socket.options.sendBuffer = Math.max(asked * 2, MIN_SNDBUF);
  else socket.options.receiveBuffer = Math.max(asked * 2, MIN_RCVBUF);
  socket.optionChanged(name);
  return 0;
}

export function sys_setsockopt(
  t: Task,
  fd: number,
  level: number,
  name: number,
  valueAddr: number,
  length: number,
): number {
  const socket = socketAt(t, fd);
  if (isErrno(socket)) return socket;
  if (length < 0) return EINVAL;
  if (level !== SOL_SOCKET && !socket.hasLevel(level)) return EOPNOTSUPP;
  const value = Buffer.alloc(Math.min(length, OPTLEN_MAX));
  if (value.length > 0 && t.memory.copyIn(valueAddr, value, 0, value.length) !== value.length) return EFAULT;
  const result = socket.setOption(t, level, name, value);
  if (result !== ENOPROTOOPT) return result;
  if (level === SOL_SOCKET) return setSocketOption(t, socket, name, value);
  return socket.hasLevel(level) ? ENOPROTOOPT : EOPNOTSUPP;
}
