// SPDX-License-Identifier: Apache-2.0
// Two network namespaces joined by a veth pair: making it, moving an end, talking across, taking it apart.
#include "net.h"
#include <sys/socket.h>

static int here, there;
// v0 10.4.0.1 here, v1 10.4.0.2 in another namespace; both up.
static void two_networks(void) {
  own_network();
  here = NEED(open("/proc/self/ns/net", O_RDONLY));
  own_network();
  there = NEED(open("/proc/self/ns/net", O_RDONLY));
  NEED(setns(here, CLONE_NEWNET));
  CALL(add_veth("v0", "v1"));
  CALL(change_link("v1", IFLA_NET_NS_FD, there));
  add_address("v0", "10.4.0.1", "255.255.255.0");
  link_up("v0");
  NEED(setns(there, CLONE_NEWNET));
  add_address("v1", "10.4.0.2", "255.255.255.0");
  link_up("v1");
  NEED(setns(here, CLONE_NEWNET));
}
// A socket that is made in the other namespace.
static int socket_there(int family, int type) {
  NEED(setns(there, CLONE_NEWNET));
  int s = NEED(socket(family, type, 0));
  NEED(setns(here, CLONE_NEWNET));
  return s;
}
static int flags_of(const char *name) {
  struct ifreq r = {0};
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  strcpy(r.ifr_name, name);
  NEED(ioctl(s, SIOCGIFFLAGS, &r));
  close(s);
  // Whether it runs is noticed a little later.
  return (unsigned short)r.ifr_flags & ~IFF_RUNNING;
}

CASE(veth_make) {
  own_network();
  CALL(add_veth("v0", "v1"));
  CALL(add_veth("v0", "v2"));
  CALL(add_veth("v2", "v1"));
  CALL(add_veth("v2", "v2"));
  CALL(add_veth("a name", "v2"));
  CALL(add_veth("averylonginterfacename", "v2"));
  VAL(if_nametoindex("v1"));
  VAL(if_nametoindex("v0"));
  say("%x %x", flags_of("v0"), flags_of("v1"));
  link_up("v0");
  link_up("v1");
  say("%x %x", flags_of("v0"), flags_of("v1"));
  CALL(delete_link("v1"));
  VAL(if_nametoindex("v0"));
  CALL(delete_link("lo"));
  CALL(change_link("lo", IFLA_NET_NS_PID, getpid()));
  CALL(change_link("lo", IFLA_NET_NS_PID, 99999999));
  CALL(change_link("lo", IFLA_NET_NS_FD, 999));
}
CASE(veth_move) {
  two_networks();
  VAL(if_nametoindex("v1"));
  CALL(change_link("v0", IFLA_NET_NS_FD, 0));
  int lo = NEED(open("/proc/self/ns/uts", O_RDONLY));
  CALL(change_link("v0", IFLA_NET_NS_FD, lo));
  CALL(change_link("lo", IFLA_NET_NS_FD, there));
  CALL(change_link("v0", IFLA_NET_NS_FD, there));
  VAL(if_nametoindex("v0"));
  NEED(setns(there, CLONE_NEWNET));
  YES(if_nametoindex("v0"));
  say("%x %x", flags_of("v0"), flags_of("v1"));
}
CASE(veth_udp) {
  two_networks();
  int a = NEED(socket(AF_INET, SOCK_DGRAM, 0)), b = socket_there(AF_INET, SOCK_DGRAM), one = 1;
  struct sockaddr_in at = ip4("10.4.0.2", 5000), from;
  CALL(bind(a, (void *)&at, sizeof at));
  CALL(bind(b, (void *)&at, sizeof at));
  CALL(setsockopt(b, SOL_IP, IP_PKTINFO, &one, 4));
  CALL(setsockopt(b, SOL_IP, IP_RECVTTL, &one, 4));
  struct pollfd ready = {b, POLLIN, 0};
  for (int i = 0; i < 100; i++) {
    NEED(sendto(a, "hello", 5, 0, (void *)&at, sizeof at));
    if (poll(&ready, 1, 100) == 1) break;
  }
  char buf[64], c[256];
  struct iovec io = {buf, sizeof buf};
  struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &io, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
  CALL(recvmsg(b, &m, 0));
  STR(inet_ntoa(from.sin_addr));
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
    if (h->cmsg_type == IP_TTL) VAL(*(int *)CMSG_DATA(h));
    if (h->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo *i = (void *)CMSG_DATA(h);
      NEED(setns(there, CLONE_NEWNET));
      YES(i->ipi_ifindex == (int)if_nametoindex("v1"));
      NEED(setns(here, CLONE_NEWNET));
      STR(inet_ntoa(i->ipi_addr));
    }
  }
  char rest[8];
  while (recv(b, rest, sizeof rest, MSG_DONTWAIT) > 0)
    ;
  CALL(sendto(b, "answer", 6, 0, (void *)&from, sizeof from));
  CALL(recv(a, buf, sizeof buf, 0));
  struct sockaddr_in closed = ip4("10.4.0.2", 5001), local;
  socklen_t n = sizeof local;
  int d = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(connect(d, (void *)&closed, sizeof closed));
  CALL(getsockname(d, (void *)&local, &n));
  STR(inet_ntoa(local.sin_addr));
  CALL(send(d, "x", 1, 0));
  struct pollfd p = {d, POLLIN, 0};
  CALL(poll(&p, 1, 2000));
  CALL(recv(d, buf, 1, MSG_DONTWAIT));
  struct sockaddr_in none = ip4("10.5.0.2", 5001), mine = ip4("127.0.0.1", 5000);
  CALL(sendto(a, "x", 1, 0, (void *)&none, sizeof none));
  CALL(sendto(a, "x", 1, 0, (void *)&mine, sizeof mine));
  CALL(recv(b, buf, 1, MSG_DONTWAIT));
}
CASE(veth_tcp) {
  two_networks();
  int l = socket_there(AF_INET, SOCK_STREAM), c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  struct sockaddr_in at = ip4("10.4.0.2", 5000), from;
  socklen_t n = sizeof from;
  CALL(bind(l, (void *)&at, sizeof at));
  CALL(connect(c, (void *)&at, sizeof at));
  CALL(listen(l, 1));
  CALL(connect(c, (void *)&at, sizeof at));
  int s = OK(accept(l, (void *)&from, &n));
  STR(inet_ntoa(from.sin_addr));
  char b[16];
  CALL(send(c, "hello", 5, 0));
  CALL(recv(s, b, sizeof b, 0));
  CALL(send(s, "hi", 2, 0));
  CALL(recv(c, b, sizeof b, 0));
  close(c);
  CALL(recv(s, b, sizeof b, 0));
  int d = NEED(socket(AF_INET, SOCK_STREAM, 0));
  struct sockaddr_in lo = ip4("127.0.0.1", 5000);
  CALL(connect(d, (void *)&lo, sizeof lo));
}
CASE(veth_broadcast_multicast) {
  two_networks();
  int a = NEED(socket(AF_INET, SOCK_DGRAM, 0)), b = socket_there(AF_INET, SOCK_DGRAM), g = socket_there(AF_INET, SOCK_DGRAM), one = 1;
  struct sockaddr_in any = ip4("0.0.0.0", 6000), all = ip4("10.4.0.255", 6000), group = ip4("239.1.2.3", 6000), gany = ip4("0.0.0.0", 6001);
  CALL(bind(b, (void *)&any, sizeof any));
  CALL(sendto(a, "x", 1, 0, (void *)&all, sizeof all));
  CALL(setsockopt(a, SOL_SOCKET, SO_BROADCAST, &one, 4));
  char buf[8];
  struct pollfd p = {b, POLLIN, 0};
  // The link takes a moment to be ready.
  int came = 0;
  for (int i = 0; !came && i < 100; i++) {
    NEED(sendto(a, "x", 1, 0, (void *)&all, sizeof all));
    came = poll(&p, 1, 50);
  }
  YES(came == 1);
  CALL(recv(b, buf, sizeof buf, MSG_DONTWAIT));
  struct ip_mreqn m = {.imr_multiaddr = group.sin_addr};
  struct in_addr i0 = ip4("10.4.0.1", 0).sin_addr;
  NEED(setns(there, CLONE_NEWNET));
  m.imr_ifindex = if_nametoindex("v1");
  NEED(setns(here, CLONE_NEWNET));
  CALL(bind(g, (void *)&gany, sizeof gany));
  CALL(setsockopt(g, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
  CALL(setsockopt(a, SOL_IP, IP_MULTICAST_IF, &i0, sizeof i0));
  group.sin_port = htons(6001);
  CALL(sendto(a, "grp", 3, 0, (void *)&group, sizeof group));
  p.fd = g;
  CALL(poll(&p, 1, 1000));
  CALL(recv(g, buf, sizeof buf, MSG_DONTWAIT));
}
CASE(veth_bind_to_device) {
  two_networks();
  int b = socket_there(AF_INET, SOCK_DGRAM), a = NEED(socket(AF_INET, SOCK_DGRAM, 0)), l = socket_there(AF_INET, SOCK_DGRAM);
  struct sockaddr_in any = ip4("0.0.0.0", 6000), at = ip4("10.4.0.2", 6000);
  CALL(setsockopt(b, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
  CALL(setsockopt(l, SOL_SOCKET, SO_BINDTODEVICE, "v1", 3));
  CALL(bind(b, (void *)&any, sizeof any));
  CALL(bind(l, (void *)&any, sizeof any));
  char buf[8];
  struct pollfd p = {l, POLLIN, 0};
  int came = 0;
  for (int i = 0; !came && i < 100; i++) {
    NEED(sendto(a, "x", 1, 0, (void *)&at, sizeof at));
    came = poll(&p, 1, 50);
  }
  YES(came == 1);
  CALL(recv(b, buf, 8, MSG_DONTWAIT));
  CALL(recv(l, buf, 8, MSG_DONTWAIT));
}
CASE(nsid) {
  own_network();
  here = NEED(open("/proc/self/ns/net", O_RDONLY));
  own_network();
  there = NEED(open("/proc/self/ns/net", O_RDONLY));
  NEED(setns(here, CLONE_NEWNET));
  for (int i = 0; i < 3; i++) {
    struct request q = {.h = {NLMSG_LENGTH(sizeof q.gen), RTM_GETNSID}};
    attribute(&q, 3, &there, 4);
    int s = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    char b[256] = {0};
    q.h.nlmsg_flags = NLM_F_REQUEST;
    NEED(send(s, &q, q.h.nlmsg_len, 0));
    long r = CALL(recv(s, b, sizeof b, 0));
    if (r > 0) say("type %d: nsid %d", ((struct nlmsghdr *)b)->nlmsg_type, *(int *)(b + NLMSG_LENGTH(4) + 4));
    close(s);
    struct request w = {.h = {NLMSG_LENGTH(sizeof w.gen), RTM_NEWNSID}};
    int id = 7 + i;
    attribute(&w, 1, &id, 4);
    attribute(&w, 3, &there, 4);
    CALL(ask(&w));
  }
}
