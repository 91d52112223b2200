// SPDX-License-Identifier: Apache-2.0

/**
 * Structures of socket calls.
 *
 * Linux: include/linux/socket.h; include/uapi/linux/in.h, in6.h, un.h, netlink.h, if_packet.h
 */
import { bytes, i32, pad, struct, u16, u16be, u32, u32be, u64, u8 } from '../../layout/struct.ts';
import type { Infer } from '../../layout/struct.ts';

export const Msghdr = struct(
  'msghdr',
  {
    msg_name: u64,
    msg_namelen: i32,
    __pad0: pad(4),
    msg_iov: u64,
    msg_iovlen: u64,
    msg_control: u64,
    msg_controllen: u64,
    msg_flags: i32,
    __pad1: pad(4),
  },
  { size: 56 },
);
export type Msghdr = Infer<typeof Msghdr>;

export const Mmsghdr = struct('mmsghdr', { msg_hdr: Msghdr, msg_len: u32, __pad0: pad(4) }, { size: 64 });

export const Cmsghdr = struct('cmsghdr', { cmsg_len: u64, cmsg_level: i32, cmsg_type: i32 }, { size: 16 });
export type Cmsghdr = Infer<typeof Cmsghdr>;

export const Ucred = struct('ucred', { pid: i32, uid: u32, gid: u32 }, { size: 12 });
export type Ucred = Infer<typeof Ucred>;

export const Linger = struct('linger', { l_onoff: i32, l_linger: i32 }, { size: 8 });

export const SockaddrUn = struct('sockaddr_un', { sun_family: u16, sun_path: bytes(108) }, { size: 110 });

export const SockaddrIn = struct(
  'sockaddr_in',
  { sin_family: u16, sin_port: u16be, sin_addr: u32be, sin_zero: pad(8) },
  { size: 16 },
);
export type SockaddrIn = Infer<typeof SockaddrIn>;

export const SockaddrIn6 = struct(
  'sockaddr_in6',
  { sin6_family: u16, sin6_port: u16be, sin6_flowinfo: u32be, sin6_addr: bytes(16), sin6_scope_id: u32 },
  { size: 28 },
);
export type SockaddrIn6 = Infer<typeof SockaddrIn6>;

export const SockaddrNl = struct(
  'sockaddr_nl',
  { nl_family: u16, nl_pad: pad(2), nl_pid: u32, nl_groups: u32 },
  { size: 12 },
);

export const SockaddrLl = struct(
  'sockaddr_ll',
  {
    sll_family: u16,
    sll_protocol: u16be,
    sll_ifindex: i32,
    sll_hatype: u16,
    sll_pkttype: u8,
    sll_halen: u8,
    sll_addr: bytes(8),
  },
  { size: 20 },
);

export const Nlmsghdr = struct(
  'nlmsghdr',
  { nlmsg_len: u32, nlmsg_type: u16, nlmsg_flags: u16, nlmsg_seq: u32, nlmsg_pid: u32 },
  { size: 16 },
);
