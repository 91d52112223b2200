// SPDX-License-Identifier: Apache-2.0

/**
 * SIOCGIF* and SIOCSIF* on any socket: the network's view answers, the sandbox's own network changes.
 *
 * Linux: net/core/dev_ioctl.c, net/ipv4/devinet.c; netdevice(7)
 */
import { currentNet } from '../net_namespace.ts';
import { CAP_NET_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { EADDRNOTAVAIL, EFAULT, EINVAL, ENODEV, ENOTTY, EOPNOTSUPP, EPERM } from '../../../platform/abi/linux/errno.ts';
import { AF_INET } from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import {
  addressesOf,
  IFA_ADDRESS,
  IFA_BROADCAST,
  IFA_LABEL,
  IFA_LOCAL,
  IFLA_ADDRESS,
  IFLA_MTU,
  IFLA_TXQLEN,
  type Interface,
  type InterfaceAddress,
  interfaces,
  network,
} from '../netlink/network_view.ts';
import { VirtualNetwork } from '../netlink/virtual_network.ts';

const SIOCSIFFLAGS = 0x8914;
const SIOCSIFADDR = 0x8916;
const SIOCSIFBRDADDR = 0x891a;
const SIOCSIFNETMASK = 0x891c;
const SIOCSIFMTU = 0x8922;
const SIOCSIFHWADDR = 0x8924;
const SIOCSIFTXQLEN = 0x8943;
const SIOCGIFNAME = 0x8910;
const SIOCGIFCONF = 0x8912;
const SIOCETHTOOL = 0x8946;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFADDR = 0x8915;
const SIOCGIFDSTADDR = 0x8917;
const SIOCGIFBRDADDR = 0x8919;
const SIOCGIFNETMASK = 0x891b;
const SIOCGIFMETRIC = 0x891d;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const SIOCGIFTXQLEN = 0x8942;
/** sizeof(struct ifreq) and of its name. */
const IFREQ = 40;
const IFNAMSIZ = 16;
/** sizeof(sa_data) of a struct sockaddr. */
const HWADDR_MAX = 14;
const NO_ADDRESS = Buffer.alloc(4);
const GETS: ReadonlySet<number> = new Set([
  SIOCGIFFLAGS,
  SIOCGIFADDR,
  SIOCGIFDSTADDR,
  SIOCGIFBRDADDR,
  SIOCGIFNETMASK,
  SIOCGIFMETRIC,
  SIOCGIFMTU,
  SIOCGIFHWADDR,
  SIOCGIFINDEX,
  SIOCGIFTXQLEN,
]);

function putAddress(request: Buffer, address: Buffer): void {
  request.fill(0, IFNAMSIZ);
  request.writeUInt16LE(AF_INET, IFNAMSIZ);
  request.set(address.subarray(0, 4), IFNAMSIZ + 4);
}

/** The interface's first IPv4 address. */
function firstAddress(index: number): InterfaceAddress | null {
  return addressesOf(AF_INET).find((address) => address.index === index) ?? null;
}

function netmask(prefix: number): Buffer {
  const mask = Buffer.alloc(4);
  mask.writeUInt32BE(prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0, 0);
  return mask;
}

function answerAddress(request: Buffer, link: Interface, cmd: number): number {
  const address = firstAddress(link.index);
  if (address === null) return EADDRNOTAVAIL;
  const own = address.attributes.get(IFA_LOCAL) ?? address.attributes.get(IFA_ADDRESS) ?? NO_ADDRESS;
  if (cmd === SIOCGIFNETMASK) putAddress(request, netmask(address.prefix));
  else if (cmd === SIOCGIFBRDADDR) putAddress(request, address.attributes.get(IFA_BROADCAST) ?? NO_ADDRESS);
  else if (cmd === SIOCGIFDSTADDR) putAddress(request, address.attributes.get(IFA_ADDRESS) ?? own);
  else putAddress(request, own);
  return 0;
}

/** Fills in what a get request asks; ENOTTY for others. */
function answer(request: Buffer, link: Interface, cmd: number): number {
  const number_ = (type: number): number => link.attributes.get(type)?.readInt32LE(0) ?? 0;
  switch (cmd) {
    case SIOCGIFADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFBRDADDR:
    case SIOCGIFDSTADDR:
      return answerAddress(request, link, cmd);
    case SIOCGIFFLAGS:
      request.writeUInt16LE(link.flags & 0xffff, IFNAMSIZ);
      return 0;
    case SIOCGIFMETRIC:
      request.writeInt32LE(0, IFNAMSIZ);
      return 0;
    case SIOCGIFMTU:
      request.writeInt32LE(number_(IFLA_MTU), IFNAMSIZ);
      return 0;
    case SIOCGIFTXQLEN:
      request.writeInt32LE(number_(IFLA_TXQLEN), IFNAMSIZ);
      return 0;
    case SIOCGIFINDEX:
      request.writeInt32LE(link.index, IFNAMSIZ);
      return 0;
    case SIOCGIFHWADDR:
      request.fill(0, IFNAMSIZ);
      request.writeUInt16LE(link.type, IFNAMSIZ);
      request.set((link.attributes.get(IFLA_ADDRESS) ?? NO_ADDRESS).subarray(0, HWADDR_MAX), IFNAMSIZ + 2);
      return 0;
    default:
      return ENOTTY;
  }
}

/** SIOCGIFCONF: struct ifconf { int len; char *buf }: one entry for each IPv4 address. */
function listInterfaces(ctx: IoContext, arg: number): number {
  const length = ctx.memory.readU32(arg);
  const addr = ctx.memory.readU64(arg + 8);
  if (length < 0 || addr < 0) return EFAULT;
  const links = interfaces();
  const entries = addressesOf(AF_INET).map((address) => {
    const request = Buffer.alloc(IFREQ);
    const label = address.attributes.get(IFA_LABEL)?.toString('latin1').split('\0', 1)[0];
    request.write(label ?? links.find((link) => link.index === address.index)?.name ?? '', 0, IFNAMSIZ - 1, 'latin1');
    putAddress(request, address.attributes.get(IFA_LOCAL) ?? address.attributes.get(IFA_ADDRESS) ?? NO_ADDRESS);
    return request;
  });
  if (addr === 0) return ctx.memory.writeU32(arg, entries.length * IFREQ);
  const fitting = Buffer.concat(entries.slice(0, Math.floor(Math.min(length, 0x7fffffff) / IFREQ)));
  if (fitting.length > 0 && ctx.memory.copyOut(addr, fitting, 0, fitting.length) !== fitting.length) return EFAULT;
  return ctx.memory.writeU32(arg, fitting.length);
}

/** CAP_NET_ADMIN over the network that is asked about. */
function mayChange(ctx: IoContext): boolean {
  const owner = currentNet.net?.userNs ?? null;
  return owner === null ? ctx.creds.hasCap(CAP_NET_ADMIN) : ctx.creds.hasCapIn(owner, CAP_NET_ADMIN);
}

/** Does what a request for change asks of the sandbox's own network. Errors: EPERM, EINVAL, EADDRNOTAVAIL, ENOTTY. */
function change(ctx: IoContext, request: Buffer, link: Interface, cmd: number): number {
  const own = network.view;
  if (!mayChange(ctx) || !(own instanceof VirtualNetwork)) return EPERM;
  const target = own.link(link.index, null);
  if (target === null) return ENODEV;
  const number_ = request.readInt32LE(IFNAMSIZ);
  switch (cmd) {
    case SIOCSIFFLAGS:
      return own.changeLink(target, { flags: request.readUInt16LE(IFNAMSIZ) });
    case SIOCSIFMTU:
      return own.changeLink(target, { mtu: number_ });
    case SIOCSIFTXQLEN:
      return own.changeLink(target, { txqlen: number_ });
    case SIOCSIFHWADDR:
      return own.changeLink(target, { mac: Buffer.from(request.subarray(IFNAMSIZ + 2, IFNAMSIZ + 8)) });
    case SIOCSIFADDR:
    case SIOCSIFNETMASK:
    case SIOCSIFBRDADDR:
      if (request.readUInt16LE(IFNAMSIZ) !== AF_INET) return EINVAL;
      return own.replaceAddress(
        target,
        cmd === SIOCSIFADDR ? 'address' : cmd === SIOCSIFNETMASK ? 'mask' : 'broadcast',
        Buffer.from(request.subarray(IFNAMSIZ + 4, IFNAMSIZ + 8)),
      );
    default:
      return EPERM;
  }
}

/** Requests that change an interface or are about other things than the ones answered. */
function isChange(cmd: number): boolean {
  return cmd >= 0x8914 && cmd <= 0x8943;
}

/** What a request about an interface that is not there answers. */
function unknownInterface(ctx: IoContext, cmd: number): number {
  if (GETS.has(cmd) || cmd === SIOCETHTOOL) return ENODEV;
  if (!isChange(cmd)) return ENOTTY;
  return mayChange(ctx) ? ENODEV : EPERM;
}

/** An interface ioctl. Errors: ENOTTY when it is none, ENODEV, EADDRNOTAVAIL, EFAULT, EPERM for changes. */
export function interfaceIoctl(ctx: IoContext, cmd: number, arg: number): number {
  if (cmd < 0x8900 || cmd > 0x89ff) return ENOTTY;
  if (cmd === SIOCGIFCONF) return listInterfaces(ctx, arg);
  const request = Buffer.alloc(IFREQ);
  if (ctx.memory.copyIn(arg, request, 0, IFREQ) !== IFREQ) return EFAULT;
  const links = interfaces();
  if (cmd === SIOCGIFNAME) {
    const link = links.find((one) => one.index === request.readInt32LE(IFNAMSIZ));
    if (link === undefined) return ENODEV;
    request.fill(0, 0, IFNAMSIZ).write(link.name, 0, IFNAMSIZ - 1, 'latin1');
  } else {
    const name = request.toString('latin1', 0, IFNAMSIZ).split('\0', 1)[0];
    const link = links.find((one) => one.name === name);
    if (link === undefined) return unknownInterface(ctx, cmd);
    // No interface here has a driver that could be asked.
    if (cmd === SIOCETHTOOL) return EOPNOTSUPP;
    const result = answer(request, link, cmd);
    if (result === ENOTTY && isChange(cmd)) return change(ctx, request, link, cmd);
    if (result !== 0) return result;
  }
  return ctx.memory.copyOut(arg, request, 0, IFREQ) === IFREQ ? 0 : EFAULT;
}
