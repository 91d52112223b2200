// SPDX-License-Identifier: Apache-2.0

/**
 * What NETLINK_ROUTE answers about a network that consists of lo.
 *
 * Linux: net/core/rtnetlink.c (rtnl_fill_ifinfo), net/ipv4/devinet.c (inet_fill_ifaddr), net/ipv6/addrconf.c; rtnetlink(7)
 */
import { EINVAL, ENODEV, EOPNOTSUPP, EPERM } from '../../../platform/abi/linux/errno.ts';
import {
  AF_INET,
  AF_INET6,
  NLM_F_DUMP,
  NLM_F_MULTI,
  NLM_F_ROOT,
  NLMSG_DONE,
} from '../../../platform/abi/linux/socket.ts';
import { type MessageHeader, MessageWriter, NLMSGHDR_SIZE, readAttributes } from './netlink_message.ts';

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_GETROUTE = 26;
const RTM_GETNEIGH = 30;
const RTM_GETRULE = 34;
const RTM_GETQDISC = 38;

const IFLA_ADDRESS = 1;
const IFLA_BROADCAST = 2;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_QDISC = 6;
const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
const IFLA_LINKMODE = 17;
const IFLA_STATS64 = 23;
const IFLA_GROUP = 27;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_CARRIER = 33;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;

const LO_INDEX = 1;
const ARPHRD_LOOPBACK = 772;
/** IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP */
const LO_FLAGS = 0x10049;
const IFA_F_PERMANENT = 0x80;
const RT_SCOPE_HOST = 254;
const IFINFO_SIZE = 16;
const RTNL_STATS64_SIZE = 200;

/** Message types come in groups of four: NEW, DEL, GET, SET. */
const isGet = (type: number): boolean => (type & 3) === 2;

function link(flags: number, sequence: number, port: number): Buffer {
  const info = Buffer.alloc(IFINFO_SIZE);
  info.writeUInt16LE(ARPHRD_LOOPBACK, 2);
  info.writeInt32LE(LO_INDEX, 4);
  info.writeUInt32LE(LO_FLAGS, 8);
  return new MessageWriter(RTM_NEWLINK, flags, sequence, port)
    .raw(info)
    .text(IFLA_IFNAME, 'lo')
    .u32(IFLA_TXQLEN, 1000)
    .u8(IFLA_OPERSTATE, 0)
    .u8(IFLA_LINKMODE, 0)
    .u32(IFLA_MTU, 65536)
    .u32(IFLA_GROUP, 0)
    .u32(IFLA_NUM_TX_QUEUES, 1)
    .u32(IFLA_NUM_RX_QUEUES, 1)
    .u8(IFLA_CARRIER, 1)
    .text(IFLA_QDISC, 'noqueue')
    .attribute(IFLA_ADDRESS, Buffer.alloc(6))
    .attribute(IFLA_BROADCAST, Buffer.alloc(6))
    .attribute(IFLA_STATS64, Buffer.alloc(RTNL_STATS64_SIZE))
    .finish();
}

function address(family: number, sequence: number, port: number): Buffer {
  const info = Buffer.from([family, family === AF_INET ? 8 : 128, IFA_F_PERMANENT, RT_SCOPE_HOST, LO_INDEX, 0, 0, 0]);
  const writer = new MessageWriter(RTM_NEWADDR, NLM_F_MULTI, sequence, port).raw(info);
  const forever = Buffer.alloc(16).fill(0xff, 0, 8);
  if (family === AF_INET) {
    const ip = Buffer.of(127, 0, 0, 1);
    writer.attribute(IFA_ADDRESS, ip).attribute(IFA_LOCAL, ip).text(IFA_LABEL, 'lo');
  } else {
    const ip = Buffer.alloc(16);
    ip[15] = 1;
    writer.attribute(IFA_ADDRESS, ip);
  }
  return writer.u32(IFA_FLAGS, IFA_F_PERMANENT).attribute(IFA_CACHEINFO, forever).finish();
}

function done(sequence: number, port: number): Buffer {
  return new MessageWriter(NLMSG_DONE, NLM_F_MULTI, sequence, port).raw(Buffer.alloc(4)).finish();
}

/** A dump: the messages, each a packet of its own where Linux sends one, and the end. Errors: EOPNOTSUPP. */
function dump(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  const { sequence } = header;
  const end = done(sequence, port);
  switch (header.type) {
    case RTM_GETLINK:
      return [link(NLM_F_MULTI, sequence, port), end];
    case RTM_GETADDR: {
      const family = body[0] ?? 0;
      const families = [AF_INET, AF_INET6].filter((known) => family === 0 || family === known);
      return [Buffer.concat(families.map((known) => address(known, sequence, port))), end].filter(
        (part) => part.length > 0,
      );
    }
    case RTM_GETROUTE:
    case RTM_GETNEIGH:
    case RTM_GETRULE:
    case RTM_GETQDISC:
      return [end];
    default:
      return EOPNOTSUPP;
  }
}

/** The packets that answer one request, or errno. `body`: what follows the header. */
export function answerRoute(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (header.type < RTM_NEWLINK) return EOPNOTSUPP;
  if (!isGet(header.type)) return EPERM;
  if ((header.flags & NLM_F_DUMP) === NLM_F_DUMP || (header.flags & NLM_F_ROOT) !== 0) return dump(header, body, port);
  if (header.type !== RTM_GETLINK) return EOPNOTSUPP;
  if (header.length < NLMSGHDR_SIZE + IFINFO_SIZE) return EINVAL;
  const name = readAttributes(body.subarray(IFINFO_SIZE)).get(IFLA_IFNAME)?.toString('latin1').split('\0', 1)[0];
  const index = body.readInt32LE(4);
  const isLo = index === LO_INDEX || (index === 0 && name === 'lo');
  return isLo ? [link(0, header.sequence, port)] : ENODEV;
}
