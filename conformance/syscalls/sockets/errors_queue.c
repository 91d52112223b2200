// SPDX-License-Identifier: Apache-2.0
// IP_RECVERR and MSG_ERRQUEUE: what is told of datagrams that reached nobody.
#include "../inet_loopback/inet.h"
#include <linux/errqueue.h>

static int closed_port(int family) {
  struct sockaddr_in6 a = {.sin6_family = family};
  socklen_t n = sizeof a;
  int s = NEED(socket(family, SOCK_DGRAM, 0));
  NEED(bind(s, (void *)&a, family == AF_INET ? 16 : 28));
  NEED(getsockname(s, (void *)&a, &n));
  close(s);
  return ntohs(a.sin6_port);
}
static void take_error(int s, int port, int size) {
  char data[2048], control[512], text[64];
  struct sockaddr_in6 name;
  memset(&name, 0, sizeof name);
  struct iovec v = {data, size};
  struct msghdr m = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  long n = CALL(recvmsg(s, &m, MSG_ERRQUEUE));
  if (n < 0) return;
  say("flags %s%s name family %d own port %d namelen %d", m.msg_flags & MSG_ERRQUEUE ? "ERRQUEUE" : "", m.msg_flags & MSG_TRUNC ? " TRUNC" : "", name.sin6_family, ntohs(name.sin6_port) == port, m.msg_namelen);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    struct sock_extended_err *e = (void *)CMSG_DATA(c);
    struct sockaddr *o = SO_EE_OFFENDER(e);
    say("cmsg %d/%d len %ld: %s origin %d type %d code %d info %d", c->cmsg_level, c->cmsg_type, (long)c->cmsg_len, errno_name(e->ee_errno), e->ee_origin, e->ee_type, e->ee_code, e->ee_info);
    inet_ntop(o->sa_family, o->sa_family == AF_INET ? (void *)&((struct sockaddr_in *)o)->sin_addr : (void *)&((struct sockaddr_in6 *)o)->sin6_addr, text, sizeof text);
    say("offender %d %s", o->sa_family, text);
  }
}
static int sock_error(int fd) {
  int e = -1;
  socklen_t n = sizeof e;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
  return e;
}
static void say_poll(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLPRI};
  sleep_ms(20);
  poll(&p, 1, 0);
  say("poll%s%s%s", p.revents & POLLIN ? " IN" : "", p.revents & POLLERR ? " ERR" : "", p.revents & POLLPRI ? " PRI" : "");
}
CASE(recverr_unconnected) {
  int on = 1, port = closed_port(AF_INET);
  struct sockaddr_in a = loop(port);
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(recv(s, &on, 1, MSG_ERRQUEUE));
  CALL(sendto(s, "lost", 4, 0, (void *)&a, sizeof a));
  say_poll(s);
  on = 1;
  CALL(setsockopt(s, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
  CALL(sendto(s, "hello", 5, 0, (void *)&a, sizeof a));
  say_poll(s);
  CALL(sendto(s, "again", 5, 0, (void *)&a, sizeof a));
  take_error(s, port, 3);
  say_poll(s);
  take_error(s, port, 3);
}
CASE(recverr_connected) {
  int on = 1, port = closed_port(AF_INET);
  char b[1];
  struct sockaddr_in a = loop(port);
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  NEED(connect(s, (void *)&a, sizeof a));
  NEED(setsockopt(s, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
  CALL(setsockopt(s, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &on, sizeof on));
  CALL(send(s, "one", 3, 0));
  say_poll(s);
  CALL(recv(s, b, 1, MSG_DONTWAIT));
  say_poll(s);
  take_error(s, port, 100);
  VAL(sock_error(s));
  CALL(send(s, "two", 3, 0));
  sleep_ms(20);
  VAL(sock_error(s));
  CALL(send(s, "three", 5, 0));
  sleep_ms(20);
  take_error(s, port, 100);
  VAL(sock_error(s));
  take_error(s, port, 100);
  say_poll(s);
}
CASE(recverr_long) {
  int on = 1, port = closed_port(AF_INET);
  static char big[3000];
  struct sockaddr_in a = loop(port);
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  NEED(setsockopt(s, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
  CALL(sendto(s, big, sizeof big, 0, (void *)&a, sizeof a));
  sleep_ms(20);
  take_error(s, port, 2048);
}
CASE(recverr_ipv6) {
  int on = 1, port = closed_port(AF_INET6);
  struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int s = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
  NEED(setsockopt(s, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on));
  CALL(sendto(s, "six", 3, 0, (void *)&a, sizeof a));
  say_poll(s);
  take_error(s, port, 100);
}
CASE(recverr_mapped) {
  int on = 1, port = closed_port(AF_INET);
  struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  inet_pton(AF_INET6, "::ffff:127.0.0.1", &a.sin6_addr);
  int s = NEED(socket(AF_INET6, SOCK_DGRAM, 0));
  NEED(setsockopt(s, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on));
  CALL(sendto(s, "map", 3, 0, (void *)&a, sizeof a));
  say_poll(s);
  CALL(setsockopt(s, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
  CALL(sendto(s, "map", 3, 0, (void *)&a, sizeof a));
  say_poll(s);
  take_error(s, port, 100);
}
