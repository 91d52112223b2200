// SPDX-License-Identifier: Apache-2.0

/**
 * The integer options of the IP, IPv6, TCP and UDP levels: defaults, what values they take, what of them is kept.
 *
 * Linux: net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c, net/ipv4/tcp.c (do_tcp_setsockopt); ip(7), ipv6(7), tcp(7)
 */
import { CAP_NET_ADMIN, CAP_NET_RAW } from '../../../platform/abi/linux/capability.ts';
import { EADDRNOTAVAIL, EINVAL, ENOPROTOOPT, EPERM } from '../../../platform/abi/linux/errno.ts';
import { UDP_CORK, UDP_SEGMENT } from './udp_cork.ts';
import * as abi from '../../../platform/abi/linux/socket.ts';

export interface OptionRule {
  readonly initial: number;
  /** The value kept, or null: refused. */
  readonly check: (value: number) => number | null;
  /** What a refused value returns when it is not EINVAL. */
  readonly refusal?: number;
  /** A value of no bytes is refused, not taken for 0. */
  readonly needsValue?: boolean;
  /** getsockopt does not know it. */
  readonly isHidden?: boolean;
  /** Only known while connected. */
  readonly needsRoute?: boolean;
  /** The value has to be exactly an int. */
  readonly isExact?: boolean;
  /** A value shorter than an int counts as 0. */
  readonly takesShort?: boolean;
  /** SOCK_* that have it; others refuse to set it. */
  readonly types?: readonly number[];
  /** Capability that setting takes. */
  readonly cap?: number;
}

const toggle = (initial = 0): OptionRule => ({ initial, check: (value) => (value !== 0 ? 1 : 0) });
const range = (initial: number, low: number, high: number): OptionRule => ({
  initial,
  check: (value) => (value >= low && value <= high ? value : null),
});
/** As range, and -1 goes back to the default. */
const rangeOrDefault = (initial: number, low: number, high: number): OptionRule => ({
  initial,
  check: (value) => (value === -1 ? initial : value >= low && value <= high ? value : null),
});
const any = (initial: number): OptionRule => ({ initial, check: (value) => value });
const byte = (initial: number): OptionRule => ({ initial, check: (value) => value & 255 });
const route = (initial: number): OptionRule => ({ initial, check: () => null, refusal: ENOPROTOOPT, needsRoute: true });

/** Shown as it began, and not changed. */
const fixed = (initial: number, refusal: number = EINVAL): OptionRule => ({ initial, check: () => null, refusal });
/** Not shown, and not set either. */
const hiddenRefusal = (refusal: number): OptionRule => ({ initial: 0, check: () => null, refusal, isHidden: true });
/** Two ports, the lower in the low half; 0: not limited. */
const portRange: OptionRule = {
  initial: 0,
  check: (value) => {
    const [low, high] = [value & 0xffff, (value >>> 16) & 0xffff];
    return low !== 0 && high !== 0 && low > high ? null : value;
  },
};
const IP_ROUTER_ALERT = 5;
const IP_PASSSEC = 18;
const IP_NODEFRAG = 22;
const IP_CHECKSUM = 23;
const IP_RECVFRAGSIZE = 25;
const IP_RECVERR_RFC4884 = 26;
const IP_LOCAL_PORT_RANGE = 51;
const IP_PROTOCOL = 52;

const IP: ReadonlyMap<number, OptionRule> = new Map([
  [abi.IP_TOS, byte(0)],
  [IP_ROUTER_ALERT, { ...toggle(), types: [abi.SOCK_RAW], refusal: EINVAL, needsValue: true }],
  [abi.IP_HDRINCL, fixed(0, ENOPROTOOPT)],
  [IP_PASSSEC, toggle()],
  [IP_NODEFRAG, { ...toggle(), types: [abi.SOCK_RAW], refusal: ENOPROTOOPT }],
  [IP_CHECKSUM, toggle()],
  [IP_RECVFRAGSIZE, { ...toggle(), types: [abi.SOCK_RAW, abi.SOCK_DGRAM] }],
  [IP_RECVERR_RFC4884, range(0, 0, 1)],
  [abi.IP_UNICAST_IF, { ...range(0, 0, 0), refusal: EADDRNOTAVAIL, isExact: true }],
  [IP_LOCAL_PORT_RANGE, { ...portRange, isExact: true }],
  [IP_PROTOCOL, fixed(0, ENOPROTOOPT)],
  [abi.IP_TTL, rangeOrDefault(64, 1, 255)],
  [abi.IP_RECVOPTS, toggle()],
  [abi.IP_RETOPTS, toggle()],
  [abi.IP_PKTINFO, toggle()],
  [abi.IP_MTU_DISCOVER, range(1, 0, 5)],
  [abi.IP_RECVERR, toggle()],
  [abi.IP_RECVTTL, toggle()],
  [abi.IP_RECVTOS, toggle()],
  [abi.IP_MTU, route(65535)],
  [abi.IP_FREEBIND, { ...toggle(), needsValue: true }],
  [abi.IP_TRANSPARENT, { ...toggle(), cap: CAP_NET_RAW, needsValue: true }],
  [abi.IP_RECVORIGDSTADDR, toggle()],
  [abi.IP_MINTTL, { ...range(0, 0, 255), needsValue: true }],
  [abi.IP_BIND_ADDRESS_NO_PORT, toggle()],
  [abi.IP_MULTICAST_TTL, { ...rangeOrDefault(1, 0, 255), needsValue: true }],
  [abi.IP_MULTICAST_LOOP, { ...toggle(1), needsValue: true }],
  [abi.IP_MULTICAST_ALL, { ...range(1, 0, 1), needsValue: true }],
]);

/** 2292PKTINFO, 2292HOPOPTS, 2292DSTOPTS, 2292RTHDR, 2292HOPLIMIT, FLOWINFO, ROUTER_ALERT_ISOLATE, FLOWINFO_SEND, RECVHOPOPTS, RECVRTHDR, RECVDSTOPTS, RECVPATHMTU, ORIGDSTADDR. */
const V6_TOGGLES = [2, 3, 4, 5, 8, 11, 30, 33, 53, 56, 58, 60, 74];
const IPV6_RECVERR_RFC4884 = 31;
const IPV6_ROUTER_ALERT = 22;
const IPV6_AUTOFLOWLABEL = 70;
const IPV6_ADDR_PREFERENCES = 72;
const IPV6_TRANSPARENT = 75;
const IPV6_RECVFRAGSIZE = 77;
const IPV6_MINHOPCOUNT = 73;
const IPV6_UNICAST_IF = 76;

const IPV6: ReadonlyMap<number, OptionRule> = new Map([
  [abi.IPV6_UNICAST_HOPS, rangeOrDefault(64, 0, 255)],
  [abi.IPV6_MULTICAST_HOPS, rangeOrDefault(1, 0, 255)],
  [abi.IPV6_MULTICAST_LOOP, range(1, 0, 1)],
  [abi.IPV6_MULTICAST_ALL, toggle(1)],
  ...V6_TOGGLES.map((name): [number, OptionRule] => [name, toggle()]),
  [IPV6_ROUTER_ALERT, { initial: 0, check: () => null, refusal: ENOPROTOOPT }],
  [IPV6_TRANSPARENT, { ...toggle(), cap: CAP_NET_RAW }],
  [IPV6_ADDR_PREFERENCES, { initial: 0x500, check: () => null }],
  [IPV6_AUTOFLOWLABEL, { ...toggle(1), takesShort: true }],
  [IPV6_RECVFRAGSIZE, { ...toggle(), takesShort: true }],
  [IPV6_RECVERR_RFC4884, range(0, 0, 1)],
  [IPV6_MINHOPCOUNT, range(0, 0, 255)],
  [IPV6_UNICAST_IF, { ...range(0, 0, 0), refusal: EADDRNOTAVAIL, isExact: true }],
  [abi.IPV6_MTU_DISCOVER, range(1, 0, 5)],
  [abi.IPV6_MTU, { ...route(65536), check: (value) => (value === 0 ? 0 : null), refusal: EINVAL }],
  [abi.IPV6_RECVERR, toggle()],
  [abi.IPV6_V6ONLY, toggle()],
  [abi.IPV6_RECVPKTINFO, toggle()],
  [abi.IPV6_RECVHOPLIMIT, toggle()],
  [abi.IPV6_RECVTCLASS, toggle()],
  [abi.IPV6_TCLASS, rangeOrDefault(0, 0, 255)],
  [abi.IPV6_DONTFRAG, toggle()],
  [abi.IPV6_FREEBIND, toggle()],
]);

const TCP_MIN_MSS = 88;
const MAX_TCP_WINDOW = 32767;
const INT_MAX = 0x7fffffff;
/** SOCK_MIN_RCVBUF / 2 */
const MIN_CLAMP = 1152;
const TCP_THIN_DUPACK = 17;
const TCP_SAVE_SYN = 27;
const TCP_FASTOPEN_NO_COOKIE = 34;
const TCP_MD5SIG = 14;
const TCP_REPAIR = 19;
const TCP_REPAIR_OPTIONS = 22;
const TCP_MD5SIG_EXT = 32;
const TCP_TX_DELAY = 37;
const TX_DELAY_MAX = 1_000_000_000;
const TCP_IS_MPTCP = 43;
const TCP_RTO_MAX_MS = 44;
const TCP_RTO_MIN_US = 45;
const TCP_DELACK_MAX_US = 46;
const RETRIES_MAX = 255;
const RTO_MAX_S = 120;

/** Seconds as the number of retransmissions that takes, and back (secs_to_retrans). */
function deferral(seconds: number): number {
  if (seconds <= 0) return 0;
  let [period, timeout] = [1, 1];
  for (let tries = 1; seconds > period && tries < RETRIES_MAX; tries++) {
    timeout = Math.min(timeout * 2, RTO_MAX_S);
    period += timeout;
  }
  return period;
}

const TCP: ReadonlyMap<number, OptionRule> = new Map([
  [abi.TCP_NODELAY, toggle()],
  [
    abi.TCP_MAXSEG,
    {
      initial: 536,
      check: (value) => (value === 0 ? 536 : value >= TCP_MIN_MSS && value <= MAX_TCP_WINDOW ? value : null),
    },
  ],
  [abi.TCP_CORK, toggle()],
  [abi.TCP_KEEPIDLE, range(7200, 1, 32767)],
  [abi.TCP_KEEPINTVL, range(75, 1, 32767)],
  [abi.TCP_KEEPCNT, range(9, 1, 127)],
  [abi.TCP_SYNCNT, range(6, 1, 127)],
  [abi.TCP_LINGER2, { initial: 60, check: (value) => (value < 0 ? -1 : value === 0 ? 60 : Math.min(value, 120)) }],
  [abi.TCP_DEFER_ACCEPT, { initial: 0, check: deferral }],
  [abi.TCP_WINDOW_CLAMP, { initial: 0, check: (value) => (value === 0 ? 0 : Math.max(value, MIN_CLAMP)) }],
  [abi.TCP_QUICKACK, { initial: 1, check: (value) => (value !== 0 ? 1 : 0) }],
  [TCP_THIN_DUPACK, { initial: 0, check: (value) => (value === 0 || value === 1 ? 0 : null) }],
  [TCP_SAVE_SYN, range(0, 0, 2)],
  [TCP_FASTOPEN_NO_COOKIE, range(0, 0, 1)],
  [TCP_TX_DELAY, range(0, 0, TX_DELAY_MAX)],
  [TCP_MD5SIG, hiddenRefusal(EINVAL)],
  [TCP_MD5SIG_EXT, hiddenRefusal(EINVAL)],
  [TCP_REPAIR_OPTIONS, hiddenRefusal(EINVAL)],
  [TCP_REPAIR, { ...range(0, -1, 1), cap: CAP_NET_ADMIN }],
  [TCP_IS_MPTCP, fixed(0, ENOPROTOOPT)],
  [TCP_RTO_MAX_MS, range(120000, 1000, 120000)],
  [TCP_RTO_MIN_US, range(200000, 1, 200000)],
  [TCP_DELACK_MAX_US, range(200000, 1, 200000)],
  [abi.TCP_USER_TIMEOUT, range(0, 0, INT_MAX)],
  [abi.TCP_FASTOPEN, { initial: 0, check: (value) => (value < 0 ? null : Math.min(value, 4096)) }],
  [abi.TCP_FASTOPEN_CONNECT, range(0, 0, 1)],
  [abi.TCP_NOTSENT_LOWAT, any(0)],
  [abi.TCP_INQ, range(0, 0, 1)],
  [abi.TCP_THIN_LINEAR_TIMEOUTS, range(0, 0, 1)],
  [abi.TCP_TIMESTAMP, fixed(0, EPERM)],
]);

const UDPLITE_SEND_CSCOV = 10;
const UDPLITE_RECV_CSCOV = 11;
const UDP_ENCAP = 100;
const UDP_NO_CHECK6_TX = 101;
const UDP_NO_CHECK6_RX = 102;
const UDP_GRO = 104;
const UDP: ReadonlyMap<number, OptionRule> = new Map([
  [UDP_CORK, toggle()],
  [UDP_SEGMENT, { ...range(0, 0, 65535), refusal: EINVAL }],
  [UDP_GRO, toggle()],
  [
    UDP_ENCAP,
    { initial: 0, check: (value) => (value === 0 || (value >= 2 && value <= 5) ? value : null), refusal: ENOPROTOOPT },
  ],
  [UDP_NO_CHECK6_TX, toggle()],
  [UDP_NO_CHECK6_RX, toggle()],
  [UDPLITE_SEND_CSCOV, fixed(0, ENOPROTOOPT)],
  [UDPLITE_RECV_CSCOV, fixed(0, ENOPROTOOPT)],
]);

/** How much of a datagram UDP-Lite's checksum covers: nothing less than its header but 0, which is all. */
const coverage: OptionRule = {
  initial: 0,
  check: (value) => (value > 0 && value < 8 ? 8 : Math.min(Math.max(value, 0), 65535)),
};
function optionOfUdp(protocol: number, name: number): OptionRule | null {
  const isLite = protocol === abi.IPPROTO_UDPLITE;
  if (isLite && (name === UDPLITE_SEND_CSCOV || name === UDPLITE_RECV_CSCOV)) return coverage;
  return isLite || protocol === abi.IPPROTO_UDP ? (UDP.get(name) ?? null) : null;
}

/** The rule of an option; null when there is none of that name for the protocol. */
export function optionRule(protocol: number, level: number, name: number): OptionRule | null {
  switch (level) {
    case abi.IPPROTO_IP:
      return IP.get(name) ?? null;
    case abi.IPPROTO_IPV6:
      return IPV6.get(name) ?? null;
    case abi.IPPROTO_TCP:
      return protocol === abi.IPPROTO_TCP ? (TCP.get(name) ?? null) : null;
    case abi.IPPROTO_UDP:
      return optionOfUdp(protocol, name);
    default:
      return null;
  }
}
