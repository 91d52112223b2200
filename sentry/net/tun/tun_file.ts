// SPDX-License-Identifier: Apache-2.0

/**
 * /dev/net/tun: a program is what is behind an interface of the sandbox's own network. What it writes comes in by the interface, what the
 * network sends there it reads.
 *
 * Linux:      drivers/net/tun.c; Documentation/networking/tuntap.rst
 * Invariants: an interface has at most one file attached. Packets nobody reads are bounded by txqueuelen; more are lost.
 */
import {
  EBADFD,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  EIO,
  EPERM,
  type Errno,
  WOULD_BLOCK,
} from '../../../platform/abi/linux/errno.ts';
import { CAP_NET_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { EPOLLERR, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM } from '../../../platform/abi/linux/poll.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { IoSequence } from '../../vfs/io.ts';
import type { Path } from '../../vfs/mount.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../inet/frame.ts';
import { receiveFrame } from '../link/packets.ts';
import { etherType } from '../link/taps.ts';
import { isUp } from '../link/path.ts';
import { netOf, networkOf } from '../net_namespace.ts';
import { network } from '../netlink/network_view.ts';
import type { Link, LinkDevice } from '../netlink/view_bodies.ts';
import { VirtualNetwork } from '../netlink/virtual_network.ts';

export const TUN_MAJOR = 10;
export const TUN_MINOR = 200;
const IFREQ = 40;
const IFNAMSIZ = 16;
const IFF_TUN = 1;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const IFF_ONE_QUEUE = 0x2000;
const IFF_TUN_EXCL = 0x8000;
const IFF_PERSIST = 0x800;
/** TUNGETIFF tells so of files without a socket filter; the number is that of IFF_NO_PI. */
const IFF_NOFILTER = 0x1000;
const FEATURES = IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_ONE_QUEUE;
const TUNSETNOCSUM = 0x400454c8;
const TUNSETDEBUG = 0x400454c9;
const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;
const TUNGETFEATURES = 0x800454cf;
const TUNSETOFFLOAD = 0x400454d0;
const TUNGETIFF = 0x800454d2;
const TUNGETSNDBUF = 0x800454d3;
const TUNSETSNDBUF = 0x400454d4;
const SIOCGIFHWADDR = 0x8927;
const SIOCSIFHWADDR = 0x8924;
const ARPHRD_ETHER = 1;
const ARPHRD_NONE = 65534;
/** sizeof(struct tun_pi), and its flag for a packet that did not fit. */
const PI_SIZE = 4;
const TUN_PKT_STRIP = 1;
const FRAME_MAX = 65536 + ETH_HLEN;
const INT_MAX = 0x7fffffff;

/** The interface's side: outlives the file when it is persistent. */
class TunDevice implements LinkDevice {
  file: TunFile | null = null;
  isPersistent = false;
  owner = -1;
  group = -1;
  /** IFF_TUN, IFF_TAP, IFF_NO_PI... as they were asked for. */
  flags = 0;

  get isAttached(): boolean {
    return this.file !== null;
  }
  take(bytes: Uint8Array, protocol: number): void {
    this.file?.queuePacket(bytes, protocol);
  }
}

export class TunFile extends FileDescription {
  private link: Link | null = null;
  private readonly queue: { bytes: Uint8Array; protocol: number }[] = [];
  private readonly network: VirtualNetwork;
  private sendBuffer = INT_MAX;

  constructor(ctx: IoContext, path: Path, inode: Inode, flags: number) {
    super(path, inode, flags, ctx.creds);
    this.network = networkOf(netOf(ctx));
  }
  override get isSeekable(): boolean {
    return false;
  }
  override get canPoll(): boolean {
    return true;
  }
  /** The interface, as long as it is there. */
  private get attached(): { link: Link; device: TunDevice } | null {
    const { link } = this;
    if (link === null || !(link.device instanceof TunDevice) || link.device.file !== this) return null;
    return link.network.interfaces.includes(link) ? { link, device: link.device } : null;
  }
  queuePacket(bytes: Uint8Array, protocol: number): void {
    if (this.queue.length >= (this.link?.txqlen ?? 0)) {
      if (this.link !== null) this.link.counters.txDropped++;
      return;
    }
    this.queue.push({ bytes: Uint8Array.from(bytes), protocol });
    this.waitQueue.wake(EPOLLIN | EPOLLRDNORM);
  }
  protected override release(): void {
    const { attached } = this;
    if (attached === null) return;
    const { link, device } = attached;
    device.file = null;
    if (device.isPersistent) link.network.carrierChanged(link);
    else link.network.removeLink(link);
  }

  override read(_ctx: IoContext, io: IoSequence): number {
    const { attached } = this;
    if (attached === null) return EBADFD;
    const hasInfo = (attached.device.flags & IFF_NO_PI) === 0;
    const next = this.queue[0];
    if (next === undefined) return WOULD_BLOCK;
    if (hasInfo && io.remaining < PI_SIZE) return EINVAL;
    const room = io.remaining - (hasInfo ? PI_SIZE : 0);
    const head = Buffer.alloc(hasInfo ? PI_SIZE : 0);
    if (hasInfo) {
      head.writeUInt16LE(next.bytes.length > room ? TUN_PKT_STRIP : 0, 0);
      head.writeUInt16BE(next.protocol, 2);
    }
    const whole = Buffer.concat([head, next.bytes.subarray(0, room)]);
    this.queue.shift();
    return whole.length > 0 && io.put(whole, 0, whole.length) < whole.length ? EFAULT : whole.length;
  }
  override write(ctx: IoContext, io: IoSequence): number {
    const { attached } = this;
    if (attached === null) return EBADFD;
    const { link, device } = attached;
    const length = io.remaining;
    if (length > FRAME_MAX) return EINVAL;
    const bytes = Buffer.alloc(length);
    if (length > 0 && io.take(bytes, 0, length) < length) return EFAULT;
    const hasInfo = (device.flags & IFF_NO_PI) === 0;
    if (hasInfo && length < PI_SIZE) return EINVAL;
    const packet = hasInfo ? bytes.subarray(PI_SIZE) : bytes;
    if (link.kind === 'tap') {
      if (packet.length < ETH_HLEN) return EINVAL;
      if (!isUp(link)) return EIO;
      receiveFrame(ctx, link, { bytes: packet, headerSize: ETH_HLEN, protocol: etherType(packet) });
      return length;
    }
    const version = packet.length === 0 ? 0 : (packet[0] as number) >> 4;
    if (!hasInfo && version !== 4 && version !== 6) return EINVAL;
    if (!isUp(link)) return EIO;
    const protocol = hasInfo ? bytes.readUInt16BE(2) : version === 4 ? ETH_P_IP : ETH_P_IPV6;
    receiveFrame(ctx, link, { bytes: packet, headerSize: 0, protocol });
    return length;
  }
  override poll(): number {
    const { attached } = this;
    if (attached === null) return EPOLLERR;
    const readable = this.queue.length > 0 ? EPOLLIN | EPOLLRDNORM : 0;
    return isUp(attached.link) ? readable | EPOLLOUT | EPOLLWRNORM : readable;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    if (cmd === TUNGETFEATURES) return ctx.memory.writeU32(arg, FEATURES);
    if (cmd === TUNSETIFF) return this.attach(ctx, arg);
    const { attached } = this;
    if (attached === null) return EBADFD;
    const { link, device } = attached;
    switch (cmd) {
      case TUNGETIFF:
        return tell(ctx, arg, link, device.flags | (device.isPersistent ? IFF_PERSIST : 0) | IFF_NOFILTER);
      case TUNSETPERSIST:
        device.isPersistent = (arg | 0) !== 0;
        return 0;
      case TUNSETOWNER:
        device.owner = ctx.creds.userNs.uidOf(arg >>> 0);
        return device.owner === -1 ? EINVAL : 0;
      case TUNSETGROUP:
        device.group = ctx.creds.userNs.gidOf(arg >>> 0);
        return device.group === -1 ? EINVAL : 0;
      case TUNSETNOCSUM:
      case TUNSETDEBUG:
        return 0;
      case TUNSETOFFLOAD:
        return arg === 0 ? 0 : EINVAL;
      case TUNGETSNDBUF:
        return ctx.memory.writeU32(arg, this.sendBuffer);
      case TUNSETSNDBUF: {
        const size = ctx.memory.readU32(arg);
        if (size < 0) return EFAULT;
        if (size === 0 || size > INT_MAX) return EINVAL;
        this.sendBuffer = size;
        return 0;
      }
      case SIOCGIFHWADDR:
      case SIOCSIFHWADDR:
        return hardwareAddress(ctx, cmd, arg, link);
      default:
        return EINVAL;
    }
  }

  /** TUNSETIFF: makes an interface, or takes over a persistent one. Errors: EINVAL, EPERM, EBUSY, EFAULT. */
  private attach(ctx: IoContext, arg: number): number {
    const request = Buffer.alloc(IFREQ);
    if (ctx.memory.copyIn(arg, request, 0, IFREQ) !== IFREQ) return EFAULT;
    if (this.attached !== null) return EEXIST;
    const flags = request.readUInt16LE(IFNAMSIZ);
    const kind = (flags & IFF_TUN) !== 0 ? 'tun' : (flags & IFF_TAP) !== 0 ? 'tap' : null;
    const name = request.toString('latin1', 0, IFNAMSIZ - 1).split('\0', 1)[0] as string;
    const link = name === '' ? null : this.network.link(0, name);
    const found = link === null ? this.make(ctx, name, kind, flags) : this.takeOver(ctx, link, kind, flags);
    if (typeof found === 'number') return found;
    const device = found.device as TunDevice;
    device.file = this;
    device.flags = flags & (FEATURES | IFF_TUN | IFF_TAP);
    this.link = found;
    found.network.carrierChanged(found);
    return tell(ctx, arg, found, flags);
  }
  private mayAdminister(ctx: IoContext): boolean {
    const { net } = this.network;
    return net?.userNs == null ? ctx.creds.hasCap(CAP_NET_ADMIN) : ctx.creds.hasCapIn(net.userNs, CAP_NET_ADMIN);
  }
  private make(ctx: IoContext, name: string, kind: 'tun' | 'tap' | null, _flags: number): Link | Errno {
    if (!this.mayAdminister(ctx)) return EPERM;
    if (kind === null) return EINVAL;
    if (this.network.net === null && !(network.view instanceof VirtualNetwork)) return EPERM;
    if (name !== '' && /[/:\s]|^\.\.?$/.test(name)) return EINVAL;
    const made = this.network.addLink({ name: this.numbered(name, kind), kind, mtu: null, mac: null });
    if (typeof made === 'number') return made as Errno;
    made.device = new TunDevice();
    return made;
  }
  /** A name with %d stands for the first that is free. */
  private numbered(name: string, kind: string): string | null {
    const at = name.indexOf('%d');
    if (name === '') return null;
    if (at < 0) return name;
    for (let i = 0; ; i++) {
      const tried = name.replace('%d', String(i));
      if (this.network.link(0, tried) === null) return tried || kind;
    }
  }
  private takeOver(ctx: IoContext, link: Link, kind: 'tun' | 'tap' | null, flags: number): Link | Errno {
    if ((flags & IFF_TUN_EXCL) !== 0) return EBUSY;
    const { device } = link;
    if (!(device instanceof TunDevice) || link.kind !== kind) return EINVAL;
    const { creds } = ctx;
    const isOwners = device.owner === -1 || device.owner === creds.euid;
    const isGroups = device.group === -1 || creds.egid === device.group || creds.groups.includes(device.group);
    const isFree = device.owner === -1 && device.group === -1;
    if ((!isOwners || !isGroups || isFree) && !this.mayAdminister(ctx)) return EPERM;
    return device.isAttached ? EBUSY : link;
  }
}

/** Writes the interface's name and flags into the application's struct ifreq. */
function tell(ctx: IoContext, arg: number, link: Link, flags: number): number {
  const request = Buffer.alloc(IFREQ);
  if (ctx.memory.copyIn(arg, request, 0, IFREQ) !== IFREQ) return EFAULT;
  request.fill(0, 0, IFNAMSIZ).write(link.name, 0, IFNAMSIZ - 1, 'latin1');
  request.writeUInt16LE(flags, IFNAMSIZ);
  return ctx.memory.copyOut(arg, request, 0, IFREQ) === IFREQ ? 0 : EFAULT;
}

function hardwareAddress(ctx: IoContext, cmd: number, arg: number, link: Link): number {
  const request = Buffer.alloc(IFREQ);
  if (ctx.memory.copyIn(arg, request, 0, IFREQ) !== IFREQ) return EFAULT;
  if (cmd === SIOCSIFHWADDR) {
    if (link.kind !== 'tap') return EINVAL;
    return link.network.changeLink(link, { mac: Buffer.from(request.subarray(IFNAMSIZ + 2, IFNAMSIZ + 8)) });
  }
  request.writeUInt16LE(link.kind === 'tap' ? ARPHRD_ETHER : ARPHRD_NONE, IFNAMSIZ);
  link.mac.copy(request, IFNAMSIZ + 2);
  return ctx.memory.copyOut(arg, request, 0, IFREQ) === IFREQ ? 0 : EFAULT;
}

/** Opens the device. */
export function openTun(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription {
  return new TunFile(ctx as Task, path, inode, flags);
}
