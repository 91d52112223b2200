// SPDX-License-Identifier: Apache-2.0

/**
 * RTM_NEWNSID, RTM_GETNSID: the numbers by which one network namespace knows others.
 *
 * Linux: net/core/net_namespace.c (rtnl_net_newid, rtnl_net_getid, rtnl_net_dumpid)
 */
import { EINVAL } from '../../../platform/abi/linux/errno.ts';
import { AF_UNSPEC } from '../../../platform/abi/linux/socket.ts';
import type { IoContext } from '../../vfs/context.ts';
import { type Attributes, networkByFd, networkByPid, wordOf } from './link_changes.ts';
import { BodyWriter, readAttributes } from './netlink_message.ts';
import type { VirtualNetwork } from './virtual_network.ts';

const NETNSA_NSID = 1;
const NETNSA_PID = 2;
const NETNSA_FD = 3;
const NOT_ASSIGNED = -1;
/** sizeof(struct rtgenmsg), aligned. */
const RTGENMSG_SIZE = 4;

function wanted(ctx: IoContext, attributes: Attributes): VirtualNetwork | number {
  const pid = wordOf(attributes, NETNSA_PID);
  if (pid !== null) return networkByPid(ctx, pid | 0);
  const fd = wordOf(attributes, NETNSA_FD);
  return fd === null ? EINVAL : networkByFd(ctx, fd | 0);
}
function idBody(id: number): Buffer {
  return new BodyWriter().raw(Buffer.of(AF_UNSPEC)).u32(NETNSA_NSID, id).body();
}

/** Errors: EINVAL, EEXIST, EBADF, ESRCH. */
export function newNetworkId(ctx: IoContext, network: VirtualNetwork, body: Buffer): number {
  if (body.length < 1) return EINVAL;
  const attributes = readAttributes(body.subarray(RTGENMSG_SIZE));
  const id = wordOf(attributes, NETNSA_NSID);
  if (id === null) return EINVAL;
  const other = wanted(ctx, attributes);
  if (typeof other === 'number') return other;
  if ((id | 0) < -1) return EINVAL;
  if ((id | 0) !== -1) return network.nameNetwork(other, id);
  network.idOf(other);
  return 0;
}

/** The body of the answer about one namespace, or errno. */
export function networkId(ctx: IoContext, network: VirtualNetwork, body: Buffer): Buffer | number {
  const attributes = readAttributes(body.subarray(RTGENMSG_SIZE));
  const number_ = wordOf(attributes, NETNSA_NSID);
  if (number_ !== null) return idBody([...network.knownIds.values()].includes(number_) ? number_ : NOT_ASSIGNED);
  const other = wanted(ctx, attributes);
  return typeof other === 'number' ? other : idBody(network.knownIdOf(other) ?? NOT_ASSIGNED);
}

export function networkIds(network: VirtualNetwork): Buffer[] {
  return [...network.knownIds.values()].map(idBody);
}
