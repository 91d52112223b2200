// SPDX-License-Identifier: Apache-2.0
// Sockets to begin a case with.
#ifndef INET_H
#define INET_H
#include "case.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static inline struct sockaddr_in loop(int port) { return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}; }
static inline int bound(int type, struct sockaddr_in *a) {
  socklen_t n = sizeof *a;
  int s = NEED(socket(AF_INET, type, 0));
  *a = loop(0);
  NEED(bind(s, (void *)a, n));
  NEED(getsockname(s, (void *)a, &n));
  return s;
}
struct pair {
  int client, server;
};
static inline struct pair tcp_pair(void) {
  struct sockaddr_in a;
  struct pair p;
  int l = bound(SOCK_STREAM, &a);
  NEED(listen(l, 4));
  p.client = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(connect(p.client, (void *)&a, sizeof a));
  p.server = NEED(accept(l, 0, 0));
  close(l);
  return p;
}
#endif
