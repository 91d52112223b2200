// SPDX-License-Identifier: Apache-2.0

/**
 * SIOCGIF* on any socket: the one interface is lo.
 *
 * Linux: net/core/dev_ioctl.c, net/ipv4/devinet.c; netdevice(7)
 */
import { EFAULT, ENODEV, ENOTTY, EPERM } from '../../../platform/abi/linux/errno.ts';
import { AF_INET } from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';

const SIOCGIFNAME = 0x8910;
const SIOCGIFCONF = 0x8912;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFADDR = 0x8915;
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
const LO_INDEX = 1;
/** IFF_UP | IFF_LOOPBACK | IFF_RUNNING */
const LO_FLAGS = 0x49;
const ARPHRD_LOOPBACK = 772;

function putAddress(request: Buffer, ip: number): void {
  request.fill(0, IFNAMSIZ);
  request.writeUInt16LE(AF_INET, IFNAMSIZ);
  request.writeUInt32BE(ip, IFNAMSIZ + 4);
}

/** Fills in what a get request asks; ENOTTY for others. */
function answer(request: Buffer, cmd: number): number {
  switch (cmd) {
    case SIOCGIFFLAGS:
      request.writeUInt16LE(LO_FLAGS, IFNAMSIZ);
      return 0;
    case SIOCGIFADDR:
      putAddress(request, 0x7f000001);
      return 0;
    case SIOCGIFNETMASK:
      putAddress(request, 0xff000000);
      return 0;
    case SIOCGIFBRDADDR:
      putAddress(request, 0);
      return 0;
    case SIOCGIFMETRIC:
      request.writeInt32LE(0, IFNAMSIZ);
      return 0;
    case SIOCGIFMTU:
      request.writeInt32LE(65536, IFNAMSIZ);
      return 0;
    case SIOCGIFTXQLEN:
      request.writeInt32LE(1000, IFNAMSIZ);
      return 0;
    case SIOCGIFINDEX:
      request.writeInt32LE(LO_INDEX, IFNAMSIZ);
      return 0;
    case SIOCGIFHWADDR:
      request.fill(0, IFNAMSIZ);
      request.writeUInt16LE(ARPHRD_LOOPBACK, IFNAMSIZ);
      return 0;
    default:
      return ENOTTY;
  }
}

/** SIOCGIFCONF: struct ifconf { int len; char *buf }. */
function listInterfaces(ctx: IoContext, arg: number): number {
  const length = ctx.memory.readU32(arg);
  const addr = ctx.memory.readU64(arg + 8);
  if (length < 0 || addr < 0) return EFAULT;
  if (addr === 0) return ctx.memory.writeU32(arg, IFREQ);
  if (length < IFREQ) return ctx.memory.writeU32(arg, 0);
  const request = Buffer.alloc(IFREQ);
  request.write('lo', 0, 'latin1');
  putAddress(request, 0x7f000001);
  if (ctx.memory.copyOut(addr, request, 0, IFREQ) !== IFREQ) return EFAULT;
  return ctx.memory.writeU32(arg, IFREQ);
}

/** An interface ioctl. Errors: ENOTTY when it is none, ENODEV, EFAULT, EPERM for changes. */
export function interfaceIoctl(ctx: IoContext, cmd: number, arg: number): number {
  if (cmd < 0x8900 || cmd > 0x89ff) return ENOTTY;
  if (cmd === SIOCGIFCONF) return listInterfaces(ctx, arg);
  const request = Buffer.alloc(IFREQ);
  if (ctx.memory.copyIn(arg, request, 0, IFREQ) !== IFREQ) return EFAULT;
  if (cmd === SIOCGIFNAME) {
    if (request.readInt32LE(IFNAMSIZ) !== LO_INDEX) return ENODEV;
    request.fill(0, 0, IFNAMSIZ).write('lo', 0, 'latin1');
  } else {
    const name = request.toString('latin1', 0, IFNAMSIZ).split('\0', 1)[0];
    const probe = answer(Buffer.alloc(IFREQ), cmd);
    if (probe !== 0) return cmd >= 0x8914 && cmd <= 0x8943 ? EPERM : probe;
    if (name !== 'lo') return ENODEV;
    answer(request, cmd);
  }
  return ctx.memory.copyOut(arg, request, 0, IFREQ) === IFREQ ? 0 : EFAULT;
}
