// SPDX-License-Identifier: Apache-2.0
// What sockets answer in states a program does not plan for: the order of checks, and what is left of a connection.
#include "../inet_loopback/inet.h"
#include <linux/netlink.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static int refused(struct sockaddr_in *a) {
  int l = bound(SOCK_STREAM, a), s = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  connect(s, (void *)a, sizeof *a);
  struct pollfd p = {s, POLLOUT, 0};
  poll(&p, 1, 1000);
  close(l);
  return s;
}
CASE(fastopen_flag) {
  struct sockaddr_in a;
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0)), l = bound(SOCK_STREAM, &a);
  signal(SIGPIPE, SIG_IGN);
  CALL(send(s, "x", 1, MSG_FASTOPEN));
  CALL(send(l, "x", 1, MSG_FASTOPEN));
  NEED(listen(l, 1));
  CALL(send(l, "x", 1, MSG_FASTOPEN));
  CALL(sendto(s, "data", 4, MSG_FASTOPEN, (void *)&a, sizeof a));
  int c = NEED(accept(l, 0, 0));
  char b[8];
  CALL(recv(c, b, sizeof b, 0));
  CALL(send(s, "x", 1, MSG_FASTOPEN));
  CALL(sendto(s, "x", 1, MSG_FASTOPEN, (void *)&a, sizeof a));
}
CASE(connect_checks_state_first) {
  struct pair p = tcp_pair();
  struct sockaddr_storage a = {.ss_family = 77};
  for (int n = 0; n < 30; n += 5) CALL(connect(p.client, (void *)&a, n));
  struct sockaddr_in r;
  int s = refused(&r);
  CALL(listen(s, 1));
  CALL(connect(s, (void *)&a, 8));
  CALL(connect(s, (void *)&a, 16));
}
CASE(port_is_free_after_reset) {
  struct pair p = tcp_pair();
  struct linger g = {1, 0};
  struct sockaddr_in a = loop(0), r;
  CALL(bind(p.client, (void *)&a, sizeof a));
  NEED(setsockopt(p.server, SOL_SOCKET, SO_LINGER, &g, sizeof g));
  close(p.server);
  struct pollfd q = {p.client, POLLIN, 0};
  NEED(poll(&q, 1, 1000));
  CALL(bind(p.client, (void *)&a, sizeof a));
  int s = refused(&r);
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(bind(s, (void *)&a, sizeof a));
}
CASE(data_for_one_that_shut_down) {
  struct pair p = tcp_pair();
  char b[8];
  CALL(shutdown(p.client, SHUT_RDWR));
  CALL(send(p.server, "data", 4, MSG_NOSIGNAL));
  struct pollfd q = {p.client, POLLIN | POLLOUT, 0};
  for (int i = 0; i < 100 && !(q.revents & POLLERR); i++) poll(&q, 1, 0), sleep_ms(2);
  CALL(recv(p.client, b, sizeof b, MSG_DONTWAIT));
  CALL(recv(p.client, b, sizeof b, MSG_DONTWAIT));
  CALL(send(p.server, "data", 4, MSG_NOSIGNAL));
}
CASE(control_after_state) {
  struct {
    struct cmsghdr h;
    int v[2];
  } c = {{CMSG_LEN(4), SOL_SOCKET, 99}};
  struct iovec io = {"x", 1};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
  struct {
    int f, t, p;
  } k[] = {{AF_INET, SOCK_STREAM, 0}, {AF_INET, SOCK_DGRAM, 0}, {AF_INET, SOCK_RAW, 200}, {AF_UNIX, SOCK_STREAM, 0}, {AF_UNIX, SOCK_DGRAM, 0}, {AF_UNIX, SOCK_SEQPACKET, 0}};
  for (int i = 0; i < 6; i++) {
    int s = NEED(socket(k[i].f, k[i].t, k[i].p));
    CALL(sendmsg(s, &m, MSG_NOSIGNAL));
    m.msg_namelen = -1;
    CALL(sendmsg(s, &m, MSG_NOSIGNAL));
    CALL(recvmsg(s, &m, MSG_DONTWAIT));
    m.msg_controllen = sizeof c;
    m.msg_namelen = 0;
  }
  struct sockaddr_in a;
  bound(SOCK_DGRAM, &a);
  int u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  NEED(connect(u, (void *)&a, sizeof a));
  int levels[] = {IPPROTO_IP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_IPV6};
  for (int i = 0; i < 4; i++)
    for (int t = 0; t < 9; t++) {
      c.h.cmsg_level = levels[i];
      c.h.cmsg_type = t;
      c.v[0] = 1;
      m.msg_controllen = CMSG_SPACE(4);
      errno = 0;
      long r = sendmsg(u, &m, 0);
      say("level %d type %d: %ld %s", levels[i], t, r, r < 0 ? errno_name(errno) : "");
    }
}
CASE(datagram_addresses) {
  struct sockaddr_in a, any = {0}, none = loop(9);
  int b = bound(SOCK_DGRAM, &a), u = NEED(socket(AF_INET, SOCK_DGRAM, 0)), six = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
  any = a;
  any.sin_family = AF_UNSPEC;
  CALL(sendto(u, "x", 1, 0, (void *)&any, sizeof any));
  CALL(sendto(six, "x", 1, 0, (void *)&any, sizeof any));
  any.sin_family = 77;
  CALL(sendto(u, "x", 1, 0, (void *)&any, sizeof any));
  CALL(sendto(six, "x", 1, 0, (void *)&any, sizeof any));
  CALL(sendto(six, "x", 1, 0, (void *)&a, sizeof a));
  CALL(sendto(u, "x", 1, 0x10, (void *)&a, sizeof a));
  CALL(connect(six, (void *)&a, sizeof a));
  CALL(send(six, "x", 1, 0));
  int q = 0;
  char c;
  while (recv(b, &c, 1, MSG_DONTWAIT) == 1) q++;
  VAL(q);
  // A connected socket hears only of its peer.
  NEED(connect(u, (void *)&a, sizeof a));
  CALL(sendto(u, "x", 1, 0, (void *)&none, sizeof none));
  CALL(send(u, "x", 1, 0));
  int one = 1;
  NEED(setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4) == 0 || errno == EINVAL ? 0 : -1);
}
CASE(raw_and_netlink_states) {
  int r = NEED(socket(AF_INET, SOCK_RAW, 200)), n = NEED(socket(AF_NETLINK, SOCK_RAW, 0));
  struct sockaddr_in a = loop(0), o;
  socklen_t l = sizeof o;
  char b[8];
  CALL(shutdown(r, SHUT_RD));
  CALL(recv(r, b, 8, MSG_OOB | MSG_DONTWAIT));
  CALL(sendto(r, "x", 1, 0, (void *)&a, 0));
  CALL(connect(r, (void *)&a, sizeof a));
  CALL(getpeername(r, (void *)&o, &l));
  CALL(bind(r, (void *)&a, sizeof a));
  CALL(shutdown(r, SHUT_WR));
  CALL(shutdown(n, 0));
  CALL(shutdown(n, 77));
  CALL(send(n, "", 0, 0));
  CALL(send(n, "x", 1, MSG_OOB));
  CALL(recv(n, b, 8, MSG_OOB | MSG_DONTWAIT));
  struct sockaddr_nl z = {0};
  CALL(connect(n, (void *)&z, 2));
  int v = 0;
  l = 4;
  CALL(getsockopt(n, SOL_SOCKET + 1, 1, &v, &l));
  CALL(setsockopt(n, IPPROTO_IP, 1, &v, 4));
}
CASE(owner_ioctls) {
  struct sockaddr_in a;
  int s = bound(SOCK_DGRAM, &a), v = 99, me = getpid();
  CALL(ioctl(s, SIOCGPGRP, &v));
  VAL(v);
  CALL(ioctl(s, FIOSETOWN, &me));
  CALL(ioctl(s, FIOGETOWN, &v));
  YES(v == me);
  v = -me;
  OK(ioctl(s, SIOCSPGRP, &v) == 0 || errno == ESRCH ? 0 : -1);
  v = 99999999;
  CALL(ioctl(s, SIOCSPGRP, &v));
  CALL(ioctl(s, 0x8906, &a));
  int t = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(ioctl(t, 0x894b, &v));
  VAL(v);
}
CASE(udp_lite) {
  struct sockaddr_in a = loop(0);
  socklen_t n = sizeof a;
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 136)), c = NEED(socket(AF_INET, SOCK_DGRAM, 136)), u = NEED(socket(AF_INET, SOCK_DGRAM, 0)), v = 5;
  NEED(bind(s, (void *)&a, n));
  NEED(getsockname(s, (void *)&a, &n));
  NEED(bind(u, (void *)&a, sizeof a));
  char b[9];
  CALL(sendto(c, "lite", 4, 0, (void *)&a, sizeof a));
  CALL(recv(u, b, 9, MSG_DONTWAIT));
  CALL(recv(s, b, 9, MSG_DONTWAIT));
  n = 4;
  CALL(setsockopt(c, 136, 10, &v, 4));
  CALL(getsockopt(c, 136, 10, &v, &n));
  VAL(v);
  CALL(getsockopt(c, SOL_SOCKET, SO_PROTOCOL, &v, &n));
  VAL(v);
  CALL(getsockopt(u, 136, 10, &v, &n));
  CALL(setsockopt(u, IPPROTO_UDP, UDP_ENCAP, &v, 2));
}
CASE(byte_options) {
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0)), six = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
  unsigned char v[44] = {1, 1, 0, 0};
  socklen_t n = sizeof v;
  CALL(getsockopt(s, IPPROTO_IP, IP_OPTIONS, v, &n));
  VAL(n);
  memset(v, 0, sizeof v);
  v[0] = 1;
  CALL(setsockopt(s, IPPROTO_IP, IP_OPTIONS, v, 2));
  n = sizeof v;
  CALL(getsockopt(s, IPPROTO_IP, IP_OPTIONS, v, &n));
  VAL(n);
  memset(v, 255, sizeof v);
  CALL(setsockopt(s, IPPROTO_IP, IP_OPTIONS, v, 4));
  memset(v, 0, sizeof v);
  CALL(setsockopt(s, IPPROTO_IP, IP_OPTIONS, v, 44));
  CALL(setsockopt(s, IPPROTO_TCP, 31, "tlx", 3));
  CALL(setsockopt(s, IPPROTO_TCP, 33, v, 16));
  CALL(setsockopt(s, IPPROTO_TCP, 33, v, 15));
  CALL(setsockopt(six, IPPROTO_IPV6, 54, v, 0));
  CALL(setsockopt(six, IPPROTO_IPV6, 54, v, 7));
  n = 4;
  CALL(getsockopt(six, IPPROTO_IPV6, 61, v, &n));
  CALL(getsockopt(six, 99, 1, v, &n));
  CALL(getsockopt(s, 99, 1, v, &n));
}
