// SPDX-License-Identifier: Apache-2.0
// Datagrams put together and taken apart: MSG_MORE, UDP_CORK, UDP_SEGMENT; what is told with them: times, sources, drops, pidfds.
#include "../inet_loopback/inet.h"
#include <netinet/udp.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

static void take(int s) {
  char b[256], control[256];
  struct iovec v = {b, sizeof b};
  for (;;) {
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    long n = recvmsg(s, &m, MSG_DONTWAIT);
    if (n < 0) return;
    say("%ld '%.*s' flags %x", n, (int)(n > 20 ? 20 : n), b, m.msg_flags);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) say("  cmsg %d/%d %ld bytes", c->cmsg_level, c->cmsg_type, (long)(c->cmsg_len - CMSG_LEN(0)));
  }
}
static int receiver(struct sockaddr_in *a) { return bound(SOCK_DGRAM, a); }
CASE(udp_more) {
  struct sockaddr_in a;
  int r = receiver(&a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(sendto(s, "one ", 4, MSG_MORE, (void *)&a, sizeof a));
  CALL(sendto(s, "two ", 4, MSG_MORE, (void *)&a, sizeof a));
  sleep_ms(5);
  take(r);
  CALL(sendto(s, "three", 5, 0, (void *)&a, sizeof a));
  sleep_ms(5);
  take(r);
  NEED(connect(s, (void *)&a, sizeof a));
  CALL(send(s, "x", 1, MSG_MORE));
  CALL(send(s, "", 0, 0));
  sleep_ms(5);
  take(r);
}
CASE(udp_cork) {
  struct sockaddr_in a;
  int r = receiver(&a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), on = 1, off = 0;
  NEED(connect(s, (void *)&a, sizeof a));
  CALL(setsockopt(s, IPPROTO_UDP, UDP_CORK, &on, sizeof on));
  CALL(send(s, "a", 1, 0));
  CALL(send(s, "b", 1, 0));
  sleep_ms(5);
  take(r);
  CALL(setsockopt(s, IPPROTO_UDP, UDP_CORK, &off, sizeof off));
  sleep_ms(5);
  take(r);
  CALL(send(s, "c", 1, 0));
  sleep_ms(5);
  take(r);
}
CASE(udp_segment) {
  struct sockaddr_in a;
  int r = receiver(&a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), size = 4;
  NEED(connect(s, (void *)&a, sizeof a));
  CALL(setsockopt(s, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size));
  CALL(send(s, "aaaabbbbccc", 11, 0));
  sleep_ms(5);
  take(r);
  size = 0;
  CALL(setsockopt(s, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size));
  char control[CMSG_SPACE(2)] = "";
  struct iovec v = {"xxyyz", 5};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = IPPROTO_UDP, c->cmsg_type = UDP_SEGMENT, c->cmsg_len = CMSG_LEN(2);
  *(unsigned short *)CMSG_DATA(c) = 2;
  CALL(sendmsg(s, &m, 0));
  sleep_ms(5);
  take(r);
}
CASE(times_and_drops) {
  struct sockaddr_in a;
  int r = receiver(&a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), on = 1, d[2];
  NEED(connect(s, (void *)&a, sizeof a));
  CALL(setsockopt(r, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
  CALL(setsockopt(r, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on));
  NEED(send(s, "udp", 3, 0));
  sleep_ms(5);
  take(r);
  CALL(setsockopt(r, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on));
  NEED(send(s, "udp", 3, 0));
  sleep_ms(5);
  take(r);
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
  CALL(setsockopt(d[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
  NEED(send(d[0], "unix", 4, 0));
  take(d[1]);
  NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, d));
  CALL(setsockopt(d[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  CALL(setsockopt(d[1], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on));
  NEED(send(d[0], "packet", 6, 0));
  take(d[1]);
}
