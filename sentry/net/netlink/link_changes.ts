// SPDX-License-Identifier: Apache-2.0

/**
 * RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK: interfaces are made (dummy, bridge, veth), changed, moved to other network namespaces, removed.
 *
 * Linux: net/core/rtnetlink.c (rtnl_newlink, do_setlink), drivers/net/veth.c (veth_newlink)
 */
import {
  EBADF,
  EEXIST,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  ERANGE,
  ESRCH,
  type Errno,
} from '../../../platform/abi/linux/errno.ts';
import { NetNamespace } from '../../kernel/namespaces.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { networkOf } from '../net_namespace.ts';
import { type MessageHeader, readAttributes } from './netlink_message.ts';
import * as view from './network_view.ts';
import type { Link } from './view_bodies.ts';
import type { VirtualNetwork } from './virtual_network.ts';

const RTM_NEWLINK = 16;
const RTM_SETLINK = 19;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_NET_NS_FD = 28;
const IFLA_ALT_IFNAME = 53;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFNAMSIZ = 16;
const MAC_SIZE = 6;

export type Attributes = Map<number, Buffer>;

export function textOf(attributes: Attributes, type: number): string | null {
  return attributes.get(type)?.toString('latin1').split('\0', 1)[0] ?? null;
}
export function wordOf(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined || value.length < 4 ? null : value.readUInt32LE(0);
}
/** Names Linux takes for an interface. */
export function isLinkName(name: string): boolean {
  return name !== '' && name.length < IFNAMSIZ && name !== '.' && name !== '..' && !/[/:\s]/.test(name);
}

/** The network of the namespace a descriptor stands for. Errors: EBADF, EINVAL. */
export function networkByFd(ctx: IoContext, fd: number): VirtualNetwork | Errno {
  const file = (ctx as Task).fdTable.get(fd);
  if (file === null) return EBADF;
  const { namespace } = (file.inode.attachment ?? {}) as { namespace?: unknown };
  return namespace instanceof NetNamespace ? networkFor(namespace) : EINVAL;
}
/** The network a process is in. Errors: ESRCH. */
export function networkByPid(ctx: IoContext, pid: number): VirtualNetwork | Errno {
  const target = (ctx as Task).pidNs.tasks.get(pid);
  return target === undefined ? ESRCH : networkFor(target.netNs);
}
function networkFor(namespace: NetNamespace): VirtualNetwork {
  return networkOf(namespace.tag === 0 ? null : namespace);
}

/** Where the request wants the interface; null: it does not say. */
function targetNetwork(ctx: IoContext, attributes: Attributes): VirtualNetwork | Errno | null {
  const pid = wordOf(attributes, IFLA_NET_NS_PID);
  if (pid !== null) return networkByPid(ctx, pid | 0);
  const fd = wordOf(attributes, IFLA_NET_NS_FD);
  return fd === null ? null : networkByFd(ctx, fd | 0);
}

function move(ctx: IoContext, link: Link, attributes: Attributes): number {
  const target = targetNetwork(ctx, attributes);
  if (target === null) return 0;
  if (typeof target === 'number') return target;
  const from = link.network;
  const moved = from.moveLink(link, target);
  if (moved === 0 && from !== target) from.idOf(target);
  return moved;
}

function changeLink(ctx: IoContext, link: Link, body: Buffer, attributes: Attributes): number {
  const name = body.readInt32LE(4) !== 0 ? textOf(attributes, view.IFLA_IFNAME) : null;
  if (name !== null && !isLinkName(name)) return EINVAL;
  const mac = attributes.get(view.IFLA_ADDRESS);
  if (mac !== undefined && mac.length < MAC_SIZE) return EINVAL;
  const moved = move(ctx, link, attributes);
  if (moved !== 0) return moved;
  const master = wordOf(attributes, IFLA_MASTER);
  if (master !== null) {
    const bridge = master === 0 ? null : link.network.link(master, null);
    if (master !== 0 && bridge === null) return EINVAL;
    const joined = link.network.enslave(link, bridge);
    if (joined !== 0) return joined;
  }
  const mtu = wordOf(attributes, view.IFLA_MTU);
  const txqlen = wordOf(attributes, view.IFLA_TXQLEN);
  const [flags, mask] = [body.readUInt32LE(8), body.readUInt32LE(12)];
  return link.network.changeLink(link, {
    ...(flags !== 0 || mask !== 0 ? { flags, mask } : {}),
    ...(mtu !== null ? { mtu } : {}),
    ...(name !== null ? { name } : {}),
    ...(txqlen !== null ? { txqlen } : {}),
    ...(mac !== undefined ? { mac: Buffer.from(mac.subarray(0, MAC_SIZE)) } : {}),
  });
}

/** One interface of a request: a struct ifinfomsg and attributes. */
interface Wanted {
  readonly network: VirtualNetwork;
  readonly kind: string;
  readonly index: number;
  readonly attributes: Attributes;
}

function make({ network, kind, index, attributes }: Wanted): Link | number {
  const name = textOf(attributes, view.IFLA_IFNAME);
  if (name !== null && !isLinkName(name)) return EINVAL;
  const given = attributes.get(view.IFLA_ADDRESS);
  if (given !== undefined && given.length < MAC_SIZE) return EINVAL;
  const mac = given === undefined ? null : Buffer.from(given.subarray(0, MAC_SIZE));
  // A name with %d asks for the first free number.
  const counted = name?.endsWith('%d') === true ? firstFree(network, name.slice(0, -2)) : name;
  return network.addLink({ name: counted, kind, mtu: wordOf(attributes, view.IFLA_MTU), mac, index });
}
function firstFree(network: VirtualNetwork, prefix: string): string {
  for (let i = 0; ; i++) if (network.link(0, `${prefix}${i}`) === null) return `${prefix}${i}`;
}

/** The pair's other end is made first, as Linux does; it may be in another namespace. */
function makeVeth(ctx: IoContext, wanted: Wanted, data: Buffer | undefined): Link | number {
  const peerInfo = data === undefined ? undefined : readAttributes(data).get(VETH_INFO_PEER);
  if (peerInfo !== undefined && peerInfo.length < view.IFINFO_SIZE) return EINVAL;
  const attributes = peerInfo === undefined ? new Map() : readAttributes(peerInfo.subarray(view.IFINFO_SIZE));
  const target = targetNetwork(ctx, attributes) ?? wanted.network;
  if (typeof target === 'number') return target;
  const index = peerInfo?.readInt32LE(4) ?? 0;
  const peer = make({ network: target, kind: 'veth', index, attributes });
  if (typeof peer === 'number') return peer;
  const link = make(wanted);
  if (typeof link === 'number') {
    target.removeLink(peer);
    return link;
  }
  link.peer = peer;
  peer.peer = link;
  return link;
}

/** Errors: EINVAL, ENODEV, EEXIST, EOPNOTSUPP, EBADF, ESRCH. */
export function newLink(ctx: IoContext, network: VirtualNetwork, header: MessageHeader, body: Buffer): number {
  if (body.length < view.IFINFO_SIZE) return EINVAL;
  const attributes = readAttributes(body.subarray(view.IFINFO_SIZE));
  if ((attributes.get(view.IFLA_IFNAME)?.length ?? 0) > IFNAMSIZ) return ERANGE;
  const name = textOf(attributes, view.IFLA_IFNAME) ?? textOf(attributes, IFLA_ALT_IFNAME);
  const index = body.readInt32LE(4);
  if (index < 0) return EINVAL;
  const link = network.link(index, name);
  if (link !== null) {
    const isCreate = header.type === RTM_NEWLINK && (header.flags & NLM_F_EXCL) !== 0;
    return isCreate ? EEXIST : changeLink(ctx, link, body, attributes);
  }
  if (header.type === RTM_SETLINK && index === 0 && name === null) return EINVAL;
  if (header.type === RTM_SETLINK || (header.flags & NLM_F_CREATE) === 0) return ENODEV;
  const info = readAttributes(attributes.get(IFLA_LINKINFO) ?? Buffer.alloc(0));
  const kind = textOf(info, IFLA_INFO_KIND);
  // tun and tap interfaces are made through /dev/net/tun.
  if (kind === null || kind === 'tun' || kind === 'tap') return EOPNOTSUPP;
  const target = targetNetwork(ctx, attributes) ?? network;
  if (typeof target === 'number') return target;
  const wanted = { network: target, kind, index, attributes };
  const made = kind === 'veth' ? makeVeth(ctx, wanted, info.get(IFLA_INFO_DATA)) : make(wanted);
  if (typeof made === 'number') return made;
  const rest = new Map([...attributes].filter(([type]) => type === IFLA_MASTER));
  return body.readUInt32LE(8) === 0 && rest.size === 0 ? 0 : changeLink(ctx, made, body, rest);
}

export function delLink(network: VirtualNetwork, body: Buffer): number {
  if (body.length < view.IFINFO_SIZE) return EINVAL;
  const name = textOf(readAttributes(body.subarray(view.IFINFO_SIZE)), view.IFLA_IFNAME);
  const index = body.readInt32LE(4);
  if (index === 0 && name === null) return EINVAL;
  const link = network.link(index, name);
  return link === null ? ENODEV : network.removeLink(link);
}
