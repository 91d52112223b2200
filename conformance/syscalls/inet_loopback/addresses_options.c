// SPDX-License-Identifier: Apache-2.0
// Addresses, ports and options of internet sockets; UDP; interface ioctls.
#include "inet.h"
#include <net/if.h>
#include <sys/ioctl.h>

static int v6(int type) { return NEED(socket(AF_INET6, type, 0)); }
static struct sockaddr_in6 loop6(int port) { return (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT}; }

CASE(socket_arguments) {
  OK(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
  OK(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
  CALL(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
  CALL(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
  CALL(socket(AF_INET, SOCK_SEQPACKET, 0));
  CALL(socket(AF_INET, SOCK_RDM, 0));
  CALL(socket(AF_INET, SOCK_STREAM, 300));
  CALL(socket(AF_INET, SOCK_STREAM, -1));
  CALL(socket(AF_INET, 9, 0));
  CALL(socket(AF_INET, 99, 0));
  CALL(socket(77, SOCK_STREAM, 0));
  CALL(socket(-1, SOCK_STREAM, 0));
  CALL(socket(AF_INET, SOCK_STREAM | 0x100000, 0));
}
CASE(raw_without_privilege) {
  become(1000);
  CALL(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  CALL(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
  CALL(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
}
CASE(bind_addresses) {
  struct sockaddr_in a = loop(0);
  socklen_t n = sizeof a;
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  a.sin_addr.s_addr = inet_addr("127.1.2.3");
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(getsockname(s, (void *)&a, &n));
  STR(inet_ntoa(a.sin_addr));
  s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  a.sin_family = AF_UNSPEC;
  CALL(bind(s, (void *)&a, sizeof a));
  a.sin_addr.s_addr = 0;
  a.sin_port = 0;
  CALL(bind(s, (void *)&a, sizeof a));
  s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  a.sin_family = AF_INET6;
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(bind(s, (void *)&a, 0));
  CALL(bind(s, (void *)&a, -1));
  CALL(bind(s, (void *)&a, 200));
  CALL(bind(s, BAD_POINTER, 16));
  CALL(connect(s, (void *)&a, 2));
  CALL(connect(s, (void *)&a, sizeof a));
  a.sin_family = 99;
  CALL(connect(s, (void *)&a, sizeof a));
  struct sockaddr_in6 six = loop6(0);
  CALL(bind(v6(SOCK_STREAM), (void *)&six, 20));
  CALL(bind(v6(SOCK_STREAM), (void *)&six, 24));
  CALL(bind(v6(SOCK_STREAM), (void *)&six, 28));
}
CASE(low_port_without_privilege) {
  become(1000);
  struct sockaddr_in a = loop(81);
  // The host may have been told to let anybody have any port.
  char b[16] = {0};
  read(NEED(open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY)), b, 15);
  int r = bind(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a, sizeof a), e = errno;
  YES(81 < atoi(b) ? r == -1 && e == EACCES : r == 0);
}
static long try_bind(uint32_t ip, in_port_t port, int option, int type) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(ip)};
  int on = 1, s = NEED(socket(AF_INET, type, 0));
  if (option) NEED(setsockopt(s, SOL_SOCKET, option, &on, sizeof on));
  int r = bind(s, (void *)&a, sizeof a);
  int e = errno;
  close(s);
  errno = e;
  return r;
}
CASE(port_sharing) {
  struct sockaddr_in a;
  int on = 1;
  int s = bound(SOCK_STREAM, &a);
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, 0, SOCK_STREAM));
  CALL(try_bind(INADDR_ANY, a.sin_port, 0, SOCK_STREAM));
  CALL(try_bind(0x7f000002, a.sin_port, 0, SOCK_STREAM));
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, SO_REUSEADDR, SOCK_STREAM));
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, 0, SOCK_DGRAM));
  NEED(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, SO_REUSEADDR, SOCK_STREAM));
  CALL(listen(s, 1));
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, SO_REUSEADDR, SOCK_STREAM));
  CALL(try_bind(INADDR_ANY, a.sin_port, SO_REUSEADDR, SOCK_STREAM));
  close(s);
  s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(listen(s, 1));
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, SO_REUSEPORT, SOCK_STREAM));
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, 0, SOCK_STREAM));
}
CASE(rebind_after_connections) {
  struct sockaddr_in a;
  int on = 1, l = bound(SOCK_STREAM, &a);
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  NEED(listen(l, 4));
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(connect(c, (void *)&a, sizeof a));
  int s = NEED(accept(l, 0, 0));
  close(l);
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, 0, SOCK_STREAM));
  CALL(try_bind(INADDR_LOOPBACK, a.sin_port, SO_REUSEADDR, SOCK_STREAM));
  close(c);
  close(s);
}
CASE(v4_mapped) {
  int s = v6(SOCK_STREAM);
  struct sockaddr_in6 a = {.sin6_family = AF_INET6}, peer;
  socklen_t n = sizeof a;
  char text[64];
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(listen(s, 4));
  NEED(getsockname(s, (void *)&a, &n));
  struct sockaddr_in four = loop(ntohs(a.sin6_port));
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(connect(c, (void *)&four, sizeof four));
  n = sizeof peer;
  int t = OK(accept(s, (void *)&peer, &n));
  VAL(n);
  STR(inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text));
  n = sizeof peer;
  CALL(getsockname(t, (void *)&peer, &n));
  STR(inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text));
  int on = 1;
  CALL(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
  int only = v6(SOCK_STREAM);
  CALL(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
  memset(&a, 0, sizeof a);
  a.sin6_family = AF_INET6;
  CALL(bind(only, (void *)&a, sizeof a));
  CALL(listen(only, 4));
  n = sizeof a;
  NEED(getsockname(only, (void *)&a, &n));
  four.sin_port = a.sin6_port;
  CALL(connect(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&four, sizeof four));
  CALL(bind(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&four, sizeof four));
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &a.sin6_addr);
  CALL(connect(only, (void *)&a, sizeof a));
  int d = v6(SOCK_STREAM);
  CALL(setsockopt(d, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
  CALL(connect(d, (void *)&a, sizeof a));
}
CASE(v6_exchange) {
  int s = v6(SOCK_STREAM), c = v6(SOCK_STREAM);
  struct sockaddr_in6 a = loop6(0);
  socklen_t n = sizeof a;
  char b[8];
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(listen(s, 1));
  NEED(getsockname(s, (void *)&a, &n));
  VAL(n);
  CALL(connect(c, (void *)&a, sizeof a));
  int t = OK(accept(s, 0, 0));
  CALL(write(c, "six", 3));
  sleep_ms(10);
  CALL(read(t, b, 8));
  int u = v6(SOCK_DGRAM), w = v6(SOCK_DGRAM);
  a = loop6(0);
  NEED(bind(u, (void *)&a, sizeof a));
  NEED(getsockname(u, (void *)&a, &n));
  CALL(sendto(w, "dgram", 5, 0, (void *)&a, sizeof a));
  CALL(recvfrom(u, b, 8, 0, (void *)&a, &n));
  VAL(n);
}
CASE(udp_errors) {
  struct sockaddr_in a;
  char b[8];
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(send(s, "x", 1, 0));
  CALL(recv(s, b, 8, MSG_DONTWAIT));
  CALL(shutdown(s, SHUT_WR));
  int gone = bound(SOCK_DGRAM, &a);
  close(gone);
  CALL(sendto(s, "x", 1, 0, (void *)&a, sizeof a));
  CALL(recv(s, b, 8, MSG_DONTWAIT));
  CALL(connect(s, (void *)&a, sizeof a));
  CALL(send(s, "x", 1, 0));
  sleep_ms(10);
  struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT};
  CALL(poll(&p, 1, 0));
  say("revents %x", p.revents);
  CALL(send(s, "x", 1, 0));
  sleep_ms(10);
  CALL(send(s, "x", 1, 0));
  sleep_ms(10);
  CALL(recv(s, b, 8, MSG_DONTWAIT));
  static char big[70000];
  CALL(send(s, big, sizeof big, 0));
  CALL(sendto(s, "x", 1, 0, (void *)&a, 4));
  a.sin_family = 99;
  CALL(sendto(s, "x", 1, 0, (void *)&a, sizeof a));
  a.sin_family = AF_INET;
  a.sin_port = 0;
  CALL(sendto(s, "x", 1, 0, (void *)&a, sizeof a));
  a.sin_family = AF_UNSPEC;
  CALL(connect(s, (void *)&a, sizeof a));
  CALL(send(s, "x", 1, 0));
}
CASE(udp_messages) {
  struct sockaddr_in a;
  char b[8] = {0};
  int r = bound(SOCK_DGRAM, &a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(connect(s, (void *)&a, sizeof a));
  CALL(send(s, "", 0, 0));
  CALL(send(s, "0123456789", 10, 0));
  CALL(send(s, "abc", 3, 0));
  sleep_ms(10);
  int v;
  CALL(recv(r, b, 8, 0));
  CALL(ioctl(r, FIONREAD, &v));
  VAL(v);
  struct iovec io = {b, 4};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
  CALL(recvmsg(r, &m, MSG_PEEK));
  VAL(m.msg_flags);
  CALL(recvmsg(r, &m, MSG_TRUNC));
  VAL(m.msg_flags);
  CALL(recv(r, b, 8, 0));
  CALL(recv(r, b, 8, MSG_DONTWAIT));
  CALL(recv(r, b, 8, MSG_DONTWAIT | MSG_OOB));
  CALL(send(s, "x", 1, MSG_OOB));
  CALL(shutdown(s, SHUT_WR));
  CALL(send(s, "x", 1, MSG_NOSIGNAL));
  int other = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct sockaddr_in mine;
  socklen_t n = sizeof mine;
  NEED(getsockname(s, (void *)&mine, &n));
  CALL(sendto(other, "not from peer", 13, 0, (void *)&mine, n));
  sleep_ms(10);
  CALL(recv(s, b, 8, MSG_DONTWAIT));
}
CASE(udp_packet_info) {
  struct sockaddr_in a;
  int on = 1, r = bound(SOCK_DGRAM, &a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(setsockopt(r, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
  CALL(setsockopt(r, IPPROTO_IP, IP_RECVTTL, &on, sizeof on));
  CALL(setsockopt(r, IPPROTO_IP, IP_RECVTOS, &on, sizeof on));
  CALL(sendto(s, "x", 1, 0, (void *)&a, sizeof a));
  sleep_ms(10);
  char b[8], control[256];
  struct iovec io = {b, 8};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CALL(recvmsg(r, &m, 0));
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    say("level %d type %d length %ld", c->cmsg_level, c->cmsg_type, (long)c->cmsg_len);
    BYTES(CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
  }
}
CASE(multiple_messages) {
  struct sockaddr_in a;
  int r = bound(SOCK_DGRAM, &a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  NEED(connect(s, (void *)&a, sizeof a));
  struct iovec out[3] = {{"one", 3}, {"two!", 4}, {"three", 5}};
  struct mmsghdr m[3] = {{{.msg_iov = &out[0], .msg_iovlen = 1}}, {{.msg_iov = &out[1], .msg_iovlen = 1}}, {{.msg_iov = &out[2], .msg_iovlen = 1}}};
  CALL(sendmmsg(s, m, 3, 0));
  VAL(m[2].msg_len);
  sleep_ms(10);
  char b[4][8];
  struct iovec in[4];
  struct mmsghdr g[4];
  memset(g, 0, sizeof g);
  for (int i = 0; i < 4; i++) {
    in[i] = (struct iovec){b[i], 8};
    g[i].msg_hdr.msg_iov = &in[i];
    g[i].msg_hdr.msg_iovlen = 1;
  }
  CALL(recvmmsg(r, g, 4, MSG_WAITFORONE, 0));
  VAL(g[2].msg_len);
}
static void option(int s, const char *name, int level, int number) {
  int v = -12345;
  socklen_t n = sizeof v;
  int r = getsockopt(s, level, number, &v, &n);
  say("%s: %s %d (%d)", name, r == 0 ? "ok" : errno_name(errno), r == 0 ? v : 0, r == 0 ? (int)n : 0);
}
#define OPTION(s, level, name) option(s, #name, level, name)
#define SET(s, level, name, value) ({ int v_ = (value); CALL(setsockopt(s, level, name, &v_, sizeof v_)); option(s, #name, level, name); })
CASE(tcp_options) {
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  SET(s, IPPROTO_TCP, TCP_NODELAY, 7);
  SET(s, IPPROTO_TCP, TCP_CORK, 1);
  SET(s, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  SET(s, IPPROTO_TCP, TCP_KEEPIDLE, 0);
  SET(s, IPPROTO_TCP, TCP_KEEPIDLE, 40000);
  SET(s, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  SET(s, IPPROTO_TCP, TCP_KEEPINTVL, -1);
  SET(s, IPPROTO_TCP, TCP_KEEPCNT, 5);
  SET(s, IPPROTO_TCP, TCP_KEEPCNT, 200);
  SET(s, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
  SET(s, IPPROTO_TCP, TCP_USER_TIMEOUT, -1);
  SET(s, IPPROTO_TCP, TCP_QUICKACK, 0);
  SET(s, IPPROTO_TCP, TCP_MAXSEG, 1000);
  SET(s, IPPROTO_TCP, TCP_MAXSEG, 10);
  SET(s, IPPROTO_TCP, TCP_SYNCNT, 3);
  SET(s, IPPROTO_TCP, TCP_SYNCNT, 0);
  OPTION(s, IPPROTO_TCP, TCP_DEFER_ACCEPT);
  OPTION(s, IPPROTO_TCP, 999);
  SET(s, IPPROTO_TCP, 999, 1);
  char b = 1;
  CALL(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &b, 1));
  CALL(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, BAD_POINTER, 4));
  CALL(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &b, -1));
  char name[32] = {0};
  socklen_t n = sizeof name;
  CALL(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &n));
  VAL(n);
  CALL(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
  CALL(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6));
  int u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  SET(u, IPPROTO_TCP, TCP_NODELAY, 1);
}
CASE(ip_options) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  OPTION(s, IPPROTO_IP, IP_TTL);
  SET(s, IPPROTO_IP, IP_TTL, 32);
  SET(s, IPPROTO_IP, IP_TTL, 0);
  SET(s, IPPROTO_IP, IP_TTL, 256);
  SET(s, IPPROTO_IP, IP_TTL, -1);
  SET(s, IPPROTO_IP, IP_TOS, 0x10);
  SET(s, IPPROTO_IP, IP_MTU_DISCOVER, 2);
  SET(s, IPPROTO_IP, IP_MTU_DISCOVER, 9);
  SET(s, IPPROTO_IP, IP_RECVTTL, 5);
  SET(s, IPPROTO_IP, IP_PKTINFO, 1);
  SET(s, IPPROTO_IP, IP_MULTICAST_TTL, 4);
  SET(s, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
  OPTION(s, IPPROTO_IP, IP_MTU);
  OPTION(s, IPPROTO_IP, 999);
  SET(s, IPPROTO_IP, 999, 1);
  OPTION(s, IPPROTO_IPV6, IPV6_V6ONLY);
  OPTION(s, 12345, 1);
  SET(s, 12345, 1, 1);
  int six = v6(SOCK_DGRAM);
  OPTION(six, IPPROTO_IPV6, IPV6_V6ONLY);
  OPTION(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS);
  SET(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5);
  SET(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 300);
  SET(six, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  OPTION(six, IPPROTO_IPV6, IPV6_TCLASS);
  OPTION(six, IPPROTO_IP, IP_TTL);
}
CASE(socket_options) {
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  OPTION(s, SOL_SOCKET, SO_TYPE);
  OPTION(s, SOL_SOCKET, SO_DOMAIN);
  OPTION(s, SOL_SOCKET, SO_PROTOCOL);
  OPTION(s, SOL_SOCKET, SO_ERROR);
  OPTION(s, SOL_SOCKET, SO_REUSEADDR);
  SET(s, SOL_SOCKET, SO_REUSEADDR, 9);
  SET(s, SOL_SOCKET, SO_KEEPALIVE, 1);
  SET(s, SOL_SOCKET, SO_BROADCAST, 1);
  SET(s, SOL_SOCKET, SO_OOBINLINE, 1);
  SET(s, SOL_SOCKET, SO_SNDBUF, 10000);
  SET(s, SOL_SOCKET, SO_RCVBUF, 10000);
  SET(s, SOL_SOCKET, SO_SNDBUF, 1);
  SET(s, SOL_SOCKET, SO_RCVBUF, 1);
  SET(s, SOL_SOCKET, SO_PRIORITY, 3);
  SET(s, SOL_SOCKET, SO_TYPE, 1);
  SET(s, SOL_SOCKET, SO_RCVLOWAT, 10);
  OPTION(s, SOL_SOCKET, 999);
  struct linger l = {1, 5}, g;
  socklen_t n = sizeof g;
  CALL(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l));
  CALL(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, 4));
  CALL(getsockopt(s, SOL_SOCKET, SO_LINGER, &g, &n));
  VAL(g.l_onoff);
  VAL(g.l_linger);
}
CASE(interfaces) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct ifreq r;
  memset(&r, 0, sizeof r);
  strcpy(r.ifr_name, "lo");
  CALL(ioctl(s, SIOCGIFFLAGS, &r));
  say("flags %x", r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
  CALL(ioctl(s, SIOCGIFINDEX, &r));
  VAL(r.ifr_ifindex);
  CALL(ioctl(s, SIOCGIFADDR, &r));
  STR(inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
  CALL(ioctl(s, SIOCGIFNETMASK, &r));
  STR(inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
  CALL(ioctl(s, SIOCGIFMTU, &r));
  VAL(r.ifr_mtu);
  CALL(ioctl(s, SIOCGIFHWADDR, &r));
  VAL(r.ifr_hwaddr.sa_family);
  strcpy(r.ifr_name, "nosuch0");
  CALL(ioctl(s, SIOCGIFFLAGS, &r));
  CALL(ioctl(s, SIOCGIFMTU, BAD_POINTER));
  r.ifr_ifindex = 1;
  CALL(ioctl(s, SIOCGIFNAME, &r));
  STR(r.ifr_name);
  CALL(if_nametoindex("lo"));
  CALL(if_nametoindex("nosuch0"));
}

// The traffic class of a raw socket is not mistaken for a question about packet filter tables.
CASE(raw6_traffic_class_options) {
  int s = socket(AF_INET6, SOCK_RAW, 253), on = 1, value = -1;
  socklen_t n = sizeof value;
  if (s < 0) return;
  CALL(setsockopt(s, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on));
  CALL(getsockopt(s, IPPROTO_IPV6, IPV6_RECVTCLASS, &value, &n)), VAL(value);
  CALL(setsockopt(s, IPPROTO_IPV6, IPV6_TCLASS, &on, sizeof on));
  CALL(getsockopt(s, IPPROTO_IPV6, IPV6_TCLASS, &value, &n)), VAL(value);
}
