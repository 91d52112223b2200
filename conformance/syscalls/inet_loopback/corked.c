// SPDX-License-Identifier: Apache-2.0
// MSG_MORE and TCP_CORK on a stream: what is held back, and what lets it go.
#include "inet.h"

static void look(int s) {
  char b[64] = {0};
  errno = 0;
  long r = recv(s, b, sizeof b, MSG_DONTWAIT);
  say("there: %ld %s '%s'", r, r < 0 ? errno_name(errno) : "", b);
}
static void settled(int s) {
  struct pollfd p = {s, POLLIN, 0};
  poll(&p, 1, 2000);
}
CASE(stream_more) {
  struct pair p = tcp_pair();
  CALL(send(p.client, "first ", 6, MSG_MORE));
  look(p.server);
  CALL(send(p.client, "second", 6, 0));
  settled(p.server);
  look(p.server);
  CALL(send(p.client, "alone", 5, MSG_MORE));
  settled(p.server);
  look(p.server);
  CALL(send(p.client, "end", 3, MSG_MORE));
  CALL(shutdown(p.client, SHUT_WR));
  settled(p.server);
  look(p.server);
  settled(p.server);
  look(p.server);
}
CASE(stream_cork) {
  struct pair p = tcp_pair();
  int one = 1, zero = 0;
  CALL(setsockopt(p.client, IPPROTO_TCP, TCP_CORK, &one, 4));
  CALL(send(p.client, "a", 1, 0));
  CALL(send(p.client, "b", 1, 0));
  look(p.server);
  CALL(setsockopt(p.client, IPPROTO_TCP, TCP_CORK, &zero, 4));
  settled(p.server);
  look(p.server);
}
