// SPDX-License-Identifier: Apache-2.0

/**
 * Options of internet sockets whose value is not a number: headers to send along, names, keys, and those that only ask.
 *
 * Linux: net/ipv4/ip_options.c (__ip_options_compile), net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c, net/ipv4/tcp.c
 */
import { EADDRNOTAVAIL, EINVAL, ENOENT, ENOTCONN, EPERM, type Errno } from '../../../platform/abi/linux/errno.ts';
import { IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOCK_STREAM } from '../../../platform/abi/linux/socket.ts';

const IP_OPTIONS = 4;
const IP_PKTOPTIONS = 9;
const SO_ORIGINAL_DST = 80;
const TCP_REPAIR_QUEUE = 20;
const TCP_QUEUE_SEQ = 21;
const TCP_CC_INFO = 26;
const TCP_SAVED_SYN = 28;
const TCP_REPAIR_WINDOW = 29;
const TCP_ULP = 31;
const TCP_FASTOPEN_KEY = 33;
const TCP_ZEROCOPY_RECEIVE = 35;
const IPV6_ADDRFORM = 1;
const IPV6_2292PKTOPTIONS = 6;
const IPV6_JOIN_ANYCAST = 27;
const IPV6_LEAVE_ANYCAST = 28;
const IPV6_PKTINFO = 50;
const IPV6_HOPOPTS = 54;
const IPV6_RTHDRDSTOPTS = 55;
const IPV6_RTHDR = 57;
const IPV6_DSTOPTS = 59;
const IPV6_PATHMTU = 61;
const MTUINFO_SIZE = 32;
const PKTINFO_SIZE = 20;
const IPV6_MREQ_SIZE = 20;
const SOCKADDR_IN_SIZE = 16;
const KEY_SIZE = 16;
const OPTIONS_MAX = 40;
const IPOPT_END = 0;
const IPOPT_NOOP = 1;
const HEADERS: ReadonlySet<number> = new Set([IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_DSTOPTS]);
const NOTHING = new Uint8Array(0);

/** The options of one socket. */
export class ByteOptions {
  private readonly values = new Map<string, Uint8Array>();
  private readonly type: number;

  constructor(type: number) {
    this.type = type;
  }
  private kept(level: number, name: number): Uint8Array {
    return this.values.get(`${level}:${name}`) ?? NOTHING;
  }
  /** The value, errno, or undefined: it is none of these. */
  get(level: number, name: number, length: number): Uint8Array | Errno | undefined {
    if (level === IPPROTO_IP) return this.getFour(name, length);
    if (level === IPPROTO_TCP) return this.getTcp(name);
    return level === IPPROTO_IPV6 ? this.getSix(name, length) : undefined;
  }
  private getFour(name: number, length: number): Uint8Array | Errno | undefined {
    if (name === IP_OPTIONS) return this.kept(IPPROTO_IP, name);
    if (this.type !== SOCK_STREAM) return undefined;
    if (name === IP_PKTOPTIONS) return NOTHING;
    return name === SO_ORIGINAL_DST ? (length < SOCKADDR_IN_SIZE ? EINVAL : ENOENT) : undefined;
  }
  private getTcp(name: number): Uint8Array | Errno | undefined {
    switch (name) {
      case TCP_SAVED_SYN:
      case TCP_ULP:
      case TCP_CC_INFO:
      case TCP_FASTOPEN_KEY:
        return this.kept(IPPROTO_TCP, name);
      case TCP_REPAIR_QUEUE:
      case TCP_QUEUE_SEQ:
      case TCP_REPAIR_WINDOW:
      case TCP_ZEROCOPY_RECEIVE:
        return EINVAL;
      default:
        return undefined;
    }
  }
  private getSix(name: number, length: number): Uint8Array | Errno | undefined {
    if (HEADERS.has(name)) return this.kept(IPPROTO_IPV6, name);
    if (name === IPV6_ADDRFORM && this.type !== 3) return ENOTCONN;
    if (name === IPV6_2292PKTOPTIONS && this.type === SOCK_STREAM) return NOTHING;
    return name === IPV6_PATHMTU ? (length < MTUINFO_SIZE ? EINVAL : ENOTCONN) : undefined;
  }

  /** 0, errno, or undefined: it is none of these. */
  set(level: number, name: number, value: Uint8Array): number | undefined {
    if (level === IPPROTO_IP && name === IP_OPTIONS) return this.setHeader(value);
    if (level === IPPROTO_TCP) return this.setTcp(name, value);
    return level === IPPROTO_IPV6 ? this.setSix(name, value) : undefined;
  }
  private setHeader(value: Uint8Array): number {
    if (value.length > OPTIONS_MAX) return EINVAL;
    const kept = new Uint8Array(Math.ceil(value.length / 4) * 4);
    for (let at = 0; at < value.length; ) {
      const option = value[at] as number;
      if (option === IPOPT_END) break;
      const length = option === IPOPT_NOOP ? 1 : (value[at + 1] ?? 0);
      if (option !== IPOPT_NOOP && (length < 2 || at + length > value.length)) return EINVAL;
      kept.set(value.subarray(at, at + length), at);
      at += length;
    }
    this.values.set(`${IPPROTO_IP}:${IP_OPTIONS}`, kept);
    return 0;
  }
  private setTcp(name: number, value: Uint8Array): number | undefined {
    switch (name) {
      case TCP_ULP:
        return value.length < 1 ? EINVAL : ENOENT;
      case TCP_FASTOPEN_KEY:
        if (value.length !== KEY_SIZE && value.length !== 2 * KEY_SIZE) return EINVAL;
        this.values.set(`${IPPROTO_TCP}:${name}`, Uint8Array.from(value));
        return 0;
      case TCP_REPAIR_QUEUE:
      case TCP_REPAIR_WINDOW:
        return value.length < 4 ? EINVAL : EPERM;
      case TCP_QUEUE_SEQ:
        return EINVAL;
      default:
        return undefined;
    }
  }
  private setSix(name: number, value: Uint8Array): number | undefined {
    switch (name) {
      case IPV6_ADDRFORM:
        return EINVAL;
      case IPV6_JOIN_ANYCAST:
        return value.length < IPV6_MREQ_SIZE ? EINVAL : EADDRNOTAVAIL;
      case IPV6_LEAVE_ANYCAST:
        return value.length < IPV6_MREQ_SIZE ? EINVAL : ENOENT;
      case IPV6_PKTINFO:
        return value.length < PKTINFO_SIZE ? EINVAL : 0;
      default:
        return HEADERS.has(name) ? this.setExtension(name, value) : undefined;
    }
  }
  /** An extension header, or none. Errors: EINVAL (its length is not what it says). */
  private setExtension(name: number, value: Uint8Array): number {
    const isWhole = value.length >= 8 && value.length % 8 === 0 && value.length === ((value[1] as number) + 1) * 8;
    if (value.length !== 0 && (!isWhole || name === IPV6_RTHDR)) return EINVAL;
    this.values.set(`${IPPROTO_IPV6}:${name}`, Uint8Array.from(value));
    return 0;
  }
}
