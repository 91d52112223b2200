// SPDX-License-Identifier: Apache-2.0
// Multicast and broadcast on lo, and ports that several sockets share.
#include "../inet_loopback/inet.h"
#include <net/if.h>

static int member(int port, const char *group, int reuse) {
  int on = 1;
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  if (reuse) NEED(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  NEED(bind(s, (void *)&a, sizeof a));
  struct ip_mreqn r = {.imr_ifindex = if_nametoindex("lo")};
  inet_pton(AF_INET, group, &r.imr_multiaddr);
  CALL(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r));
  return s;
}
static int port_of(int s) {
  struct sockaddr_in a;
  socklen_t n = sizeof a;
  NEED(getsockname(s, (void *)&a, &n));
  return ntohs(a.sin_port);
}
static void take(const char *what, int s) {
  char b[16] = "";
  struct sockaddr_in from;
  socklen_t n = sizeof from;
  sleep_ms(10);
  errno = 0;
  long r = recvfrom(s, b, 15, MSG_DONTWAIT, (void *)&from, &n);
  say("%s: %ld %s %s %s", what, r, r < 0 ? errno_name(errno) : "", b, r < 0 ? "" : inet_ntoa(from.sin_addr));
}
static int sender(void) {
  struct in_addr lo = {htonl(INADDR_LOOPBACK)};
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo));
  return s;
}
static struct sockaddr_in to(const char *address, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, address, &a.sin_addr);
  return a;
}
CASE(multicast_members) {
  int one = member(0, "239.9.9.1", 1), port = port_of(one), two = member(port, "239.9.9.2", 1);
  int s = sender(), none = 0;
  struct sockaddr_in a = to("239.9.9.1", port), b = to("239.9.9.2", port), c = to("239.9.9.3", port);
  CALL(sendto(s, "first", 5, 0, (void *)&a, sizeof a));
  take("one", one);
  take("two", two);
  CALL(setsockopt(two, IPPROTO_IP, IP_MULTICAST_ALL, &none, sizeof none));
  CALL(sendto(s, "second", 6, 0, (void *)&a, sizeof a));
  take("one", one);
  take("two", two);
  CALL(sendto(s, "third", 5, 0, (void *)&b, sizeof b));
  take("one", one);
  take("two", two);
  CALL(sendto(s, "nobody", 6, 0, (void *)&c, sizeof c));
  take("one", one);
  struct ip_mreqn r = {.imr_ifindex = if_nametoindex("lo")};
  inet_pton(AF_INET, "239.9.9.1", &r.imr_multiaddr);
  CALL(setsockopt(one, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r));
  CALL(setsockopt(one, IPPROTO_IP, IP_DROP_MEMBERSHIP, &r, sizeof r));
  CALL(setsockopt(one, IPPROTO_IP, IP_DROP_MEMBERSHIP, &r, sizeof r));
  CALL(sendto(s, "left", 4, 0, (void *)&a, sizeof a));
  take("one", one);
}
CASE(multicast_details) {
  int one = member(0, "239.9.9.4", 0), on = 1, off = 0, s = sender();
  struct sockaddr_in a = to("239.9.9.4", port_of(one));
  char data[8], control[128];
  CALL(setsockopt(one, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
  CALL(setsockopt(one, IPPROTO_IP, IP_RECVTTL, &on, sizeof on));
  CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off));
  CALL(sendto(s, "x", 1, 0, (void *)&a, sizeof a));
  sleep_ms(10);
  struct iovec v = {data, 8};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  CALL(recvmsg(one, &m, MSG_DONTWAIT));
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo *i = (void *)CMSG_DATA(c);
      say("pktinfo lo %d", i->ipi_ifindex == (int)if_nametoindex("lo"));
      say("spec %s", inet_ntoa(i->ipi_spec_dst));
      say("addr %s", inet_ntoa(i->ipi_addr));
    } else say("cmsg %d %d", c->cmsg_type, *(int *)CMSG_DATA(c));
  }
  struct in_addr i;
  socklen_t n = sizeof i;
  CALL(getsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &i, &n));
  say("%s %d", inet_ntoa(i), n);
}
CASE(multicast_errors) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct ip_mreqn r = {.imr_ifindex = 9999};
  inet_pton(AF_INET, "239.9.9.5", &r.imr_multiaddr);
  CALL(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r));
  CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &r, sizeof r));
  r.imr_ifindex = if_nametoindex("lo");
  inet_pton(AF_INET, "10.9.9.5", &r.imr_multiaddr);
  CALL(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r));
  CALL(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, 4));
  CALL(setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &r, sizeof r));
  int t = NEED(socket(AF_INET, SOCK_STREAM, 0));
  struct sockaddr_in g = to("239.9.9.5", 0);
  CALL(bind(s, (void *)&g, sizeof g));
  CALL(bind(t, (void *)&g, sizeof g));
}
CASE(multicast_ipv6) {
  int r = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), s = NEED(socket(AF_INET6, SOCK_DGRAM, 0)), lo = if_nametoindex("lo");
  struct sockaddr_in6 a = {.sin6_family = AF_INET6};
  socklen_t n = sizeof a;
  char b[8] = "";
  NEED(bind(r, (void *)&a, n));
  NEED(getsockname(r, (void *)&a, &n));
  struct ipv6_mreq q = {.ipv6mr_interface = lo};
  inet_pton(AF_INET6, "ff01::99", &q.ipv6mr_multiaddr);
  CALL(setsockopt(r, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &q, sizeof q));
  CALL(setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_IF, &lo, sizeof lo));
  a.sin6_addr = q.ipv6mr_multiaddr;
  CALL(sendto(s, "six", 3, 0, (void *)&a, sizeof a));
  sleep_ms(10);
  CALL(recv(r, b, 8, MSG_DONTWAIT));
  CALL(setsockopt(r, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &q, sizeof q));
  CALL(setsockopt(r, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &q, sizeof q));
}
CASE(broadcast_loopback) {
  int r = NEED(socket(AF_INET, SOCK_DGRAM, 0)), s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), on = 1;
  struct sockaddr_in a = {.sin_family = AF_INET};
  NEED(bind(r, (void *)&a, sizeof a));
  struct sockaddr_in b = to("127.255.255.255", port_of(r));
  CALL(sendto(s, "x", 1, 0, (void *)&b, sizeof b));
  CALL(connect(s, (void *)&b, sizeof b));
  CALL(setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof on));
  CALL(sendto(s, "x", 1, 0, (void *)&b, sizeof b));
  take("r", r);
}
CASE(reuseport_udp_shares) {
  int s[4], on = 1, port = 0, got[4] = {0}, total = 0;
  for (int i = 0; i < 4; i++) {
    s[i] = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    NEED(setsockopt(s[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    struct sockaddr_in a = loop(port);
    CALL(bind(s[i], (void *)&a, sizeof a));
    port = port_of(s[i]);
  }
  struct sockaddr_in a = loop(port);
  for (int i = 0; i < 200; i++) {
    int c = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    NEED(sendto(c, "x", 1, 0, (void *)&a, sizeof a));
    close(c);
  }
  char b;
  for (int i = 0; i < 4; i++)
    while (recv(s[i], &b, 1, MSG_DONTWAIT) == 1) got[i]++;
  for (int i = 0; i < 4; i++) {
    say("%d got a share: %d", i, got[i] > 10);
    total += got[i];
  }
  VAL(total);
}
CASE(reuseport_tcp_shares) {
  int s[3], on = 1, port = 0, got[3] = {0};
  for (int i = 0; i < 3; i++) {
    s[i] = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    NEED(setsockopt(s[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    struct sockaddr_in a = loop(port);
    CALL(bind(s[i], (void *)&a, sizeof a));
    CALL(listen(s[i], 128));
    port = port_of(s[i]);
  }
  struct sockaddr_in a = loop(port);
  for (int i = 0; i < 120; i++) {
    int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
    NEED(connect(c, (void *)&a, sizeof a));
    close(c);
  }
  for (int i = 0, c; i < 3; i++)
    while ((c = accept(s[i], 0, 0)) >= 0) got[i]++, close(c);
  say("all shared: %d, sum %d", got[0] > 8 && got[1] > 8 && got[2] > 8, got[0] + got[1] + got[2]);
}
CASE(reuseaddr_udp_newest) {
  int s[2], on = 1, port = 0;
  for (int i = 0; i < 2; i++) {
    s[i] = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    NEED(setsockopt(s[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    struct sockaddr_in a = loop(port);
    NEED(bind(s[i], (void *)&a, sizeof a));
    port = port_of(s[i]);
  }
  struct sockaddr_in a = loop(port);
  int c = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(sendto(c, "x", 1, 0, (void *)&a, sizeof a));
  take("first", s[0]);
  take("second", s[1]);
}
