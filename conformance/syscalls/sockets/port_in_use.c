// SPDX-License-Identifier: Apache-2.0
// A port that is taken: which second bind is refused, for each pair of addresses and options, and what becomes free when.
#include "../inet_loopback/inet.h"

static int try_bind(int family, int type, const char *address, int port, int reuse, int reuse_port, int v6only) {
  struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  int s = NEED(socket(family, type, 0));
  inet_pton(family, address, family == AF_INET ? (void *)&a4.sin_addr : (void *)&a6.sin6_addr);
  if (reuse) NEED(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &reuse, 4));
  if (reuse_port) NEED(setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &reuse_port, 4));
  if (family == AF_INET6) NEED(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, 4));
  errno = 0;
  if (bind(s, family == AF_INET ? (void *)&a4 : (void *)&a6, family == AF_INET ? sizeof a4 : sizeof a6) == 0) return s;
  int e = errno;
  close(s);
  return -e;
}
static int port_of(int s) {
  struct sockaddr_in6 a;
  socklen_t n = sizeof a;
  NEED(getsockname(s, (void *)&a, &n));
  return ntohs(a.sin6_port);
}
static const struct {
  int family, v6only;
  const char *address;
} places[] = {{AF_INET, 0, "127.0.0.1"}, {AF_INET, 0, "127.0.0.2"}, {AF_INET, 0, "0.0.0.0"}, {AF_INET6, 0, "::1"}, {AF_INET6, 0, "::"}, {AF_INET6, 1, "::"}, {AF_INET6, 0, "::ffff:127.0.0.1"}};
#define PLACES (sizeof places / sizeof *places)
static void pairs(int type, int reuse, int reuse_port, int listens) {
  for (unsigned i = 0; i < PLACES; i++) {
    char line[128] = "";
    for (unsigned j = 0; j < PLACES; j++) {
      int first = try_bind(places[i].family, type, places[i].address, 0, reuse, reuse_port, places[i].v6only);
      if (listens) NEED(listen(first, 1));
      int second = try_bind(places[j].family, type, places[j].address, port_of(first), reuse, reuse_port, places[j].v6only);
      sprintf(line + strlen(line), " %s", second < 0 ? errno_name(-second) : "ok");
      if (second >= 0) {
        if (listens && listen(second, 1) < 0) sprintf(line + strlen(line), "-%s", errno_name(errno));
        close(second);
      }
      close(first);
    }
    say("%s%s:%s", places[i].address, places[i].v6only ? " only" : "", line);
  }
}
CASE(taken_tcp) { pairs(SOCK_STREAM, 0, 0, 0); }
CASE(taken_tcp_listening) { pairs(SOCK_STREAM, 0, 0, 1); }
CASE(taken_tcp_reuse) { pairs(SOCK_STREAM, 1, 0, 0); }
CASE(taken_tcp_reuse_listening) { pairs(SOCK_STREAM, 1, 0, 1); }
CASE(taken_tcp_reuseport) { pairs(SOCK_STREAM, 0, 1, 1); }
CASE(taken_udp) { pairs(SOCK_DGRAM, 0, 0, 0); }
CASE(taken_udp_reuse) { pairs(SOCK_DGRAM, 1, 0, 0); }
CASE(taken_udp_reuseport) { pairs(SOCK_DGRAM, 0, 1, 0); }
CASE(taken_until_closed) {
  int s = try_bind(AF_INET, SOCK_STREAM, "127.0.0.1", 0, 0, 0, 0), port = port_of(s);
  struct sockaddr_in a = loop(port);
  NEED(listen(s, 1));
  CALL(bind(s, (void *)&a, sizeof a));
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(connect(c, (void *)&a, sizeof a));
  int p = NEED(accept(s, 0, 0));
  close(s);
  VAL(try_bind(AF_INET, SOCK_STREAM, "127.0.0.1", port, 0, 0, 0) == -EADDRINUSE);
  int again = try_bind(AF_INET, SOCK_STREAM, "127.0.0.1", port, 1, 0, 0);
  say("reuse without listener: %s", again < 0 ? errno_name(-again) : "ok");
  close(again), close(c), close(p);
}
CASE(connect_from_a_taken_port) {
  struct sockaddr_in a, b;
  int l = bound(SOCK_STREAM, &a), on = 1, c[2];
  NEED(listen(l, 4));
  b = loop(0);
  for (int i = 0; i < 2; i++) {
    c[i] = NEED(socket(AF_INET, SOCK_STREAM, 0));
    NEED(setsockopt(c[i], SOL_SOCKET, SO_REUSEADDR, &on, 4));
    CALL(bind(c[i], (void *)&b, sizeof b));
    socklen_t n = sizeof b;
    NEED(getsockname(c[i], (void *)&b, &n));
  }
  CALL(connect(c[0], (void *)&a, sizeof a));
  CALL(connect(c[1], (void *)&a, sizeof a));
}
