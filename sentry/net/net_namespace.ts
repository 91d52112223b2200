// SPDX-License-Identifier: Apache-2.0

/**
 * Network namespaces: which one a socket is in, and what its network looks like from there.
 *
 * Linux:      net/core/net_namespace.c; network_namespaces(7)
 * Invariants: a namespace beside the initial one has a network of its own: a loopback interface that is down at first, and its own ports.
 *             What asks about "the network" runs inside withNetwork(): nothing waits there.
 */
import type { NetworkView } from '../../platform/platform.ts';
import type { NetNamespace } from '../kernel/namespaces.ts';
import type { Task } from '../kernel/task.ts';
import type { IoContext } from '../vfs/context.ts';
import { network } from './netlink/network_view.ts';
import { VirtualNetwork, virtualNetwork } from './netlink/virtual_network.ts';

/** The namespace that is being asked about; null: the initial one. */
export const currentNet: { net: NetNamespace | null } = { net: null };

/** The namespace of who makes a call; null: the initial one. */
export function netOf(ctx: IoContext): NetNamespace | null {
  const { netNs } = ctx as Partial<Task>;
  return netNs === undefined || netNs.tag === 0 ? null : netNs;
}

/** The network of a namespace; of the initial one the sandbox's own (which is not shown when the host's is). */
export function networkOf(net: NetNamespace | null): VirtualNetwork {
  if (net === null) return virtualNetwork;
  net.network ??= new VirtualNetwork(net);
  return net.network as VirtualNetwork;
}

/** Runs `then` with the namespace's interfaces, addresses and sockets as "the network". */
export function withNetwork<T>(net: NetNamespace | null, then: () => T): T {
  if (net === null) return then();
  const saved: NetworkView = network.view;
  network.view = networkOf(net);
  currentNet.net = net;
  try {
    return then();
  } finally {
    network.view = saved;
    currentNet.net = null;
  }
}
