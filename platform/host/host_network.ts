// SPDX-License-Identifier: Apache-2.0

/**
 * The host's interfaces, addresses and routes, read once by NETLINK_ROUTE dumps before the Sentry confines itself.
 *
 * Linux: net/core/rtnetlink.c; rtnetlink(7)
 */
import {
  AF_NETLINK,
  NETLINK_ROUTE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  SOCK_CLOEXEC,
  SOCK_RAW,
} from '../abi/linux/socket.ts';
import { close } from '../ffi/files.ts';
import { recvmsg, sendmsg, socket } from '../ffi/sockets.ts';
import type { HostNetwork, NetworkView } from '../platform.ts';
import { createHostSockets } from './host_sockets.ts';

const HEADER = 16;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
/** Messages kept of one dump at most. */
const MESSAGES_MAX = 4096;
const BUFFER = 65536;

/** The bodies of the messages of `answer` type that a dump of `request` gives. */
function dump(fd: number, request: number, answer: number): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  const ask = Buffer.alloc(HEADER + 16);
  ask.writeUInt32LE(ask.length, 0);
  ask.writeUInt16LE(request, 4);
  ask.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  ask.writeUInt32LE(request, 8);
  if (sendmsg(fd, ask, ask.length, [], 0) < 0) return bodies;
  const noFds = new Int32Array(1);
  const buf = Buffer.alloc(BUFFER);
  while (bodies.length < MESSAGES_MAX) {
    const n = recvmsg(fd, buf, noFds, 0);
    if (n <= 0) return bodies;
    for (let at = 0; at + HEADER <= n; ) {
      const length = buf.readUInt32LE(at);
      const type = buf.readUInt16LE(at + 4);
      if (type === NLMSG_DONE || type === NLMSG_ERROR || length < HEADER || at + length > n) return bodies;
      if (type === answer) bodies.push(Uint8Array.from(buf.subarray(at + HEADER, at + length)));
      at += (length + 3) & ~3;
    }
  }
  return bodies;
}

/** Reads the network namespace this process is in; empty lists for what the host refuses to tell. */
function readView(fd: number): NetworkView {
  if (fd < 0) return { links: [], addresses: [], routes: [] };
  return {
    links: dump(fd, RTM_GETLINK, RTM_NEWLINK),
    addresses: dump(fd, RTM_GETADDR, RTM_NEWADDR),
    routes: dump(fd, RTM_GETROUTE, RTM_NEWROUTE),
  };
}

/** Everything a sandbox on the host's network needs. Call it before the seccomp filter is installed. at start: `refresh` reads it once more. */
export function openHostNetwork(time: 'now' | 'at start' = 'now'): HostNetwork {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  const refresh = (): NetworkView => {
    const view = readView(fd);
    if (fd >= 0) close(fd);
    return view;
  };
  // A container's network may be arranged between its creation and its start: the socket stays for another look.
  return time === 'at start'
    ? { sockets: createHostSockets(), view: readView(fd), refresh }
    : { sockets: createHostSockets(), view: refresh() };
}
