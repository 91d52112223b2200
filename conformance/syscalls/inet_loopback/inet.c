// SPDX-License-Identifier: Apache-2.0
// AF_INET over the loopback interface; the sandbox has one with --network=none too.
#include "inet.h"

CASE(tcp_exchange) {
  struct sockaddr_in a;
  char b[16] = {0};
  int l = bound(SOCK_STREAM, &a);
  YES(a.sin_port != 0);
  CALL(listen(l, 4));
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(connect(c, (void *)&a, sizeof a));
  int s = OK(accept(l, 0, 0));
  CALL(write(c, "ping", 4));
  CALL(read(s, b, 16));
  CALL(write(s, "pong!", 5));
  CALL(shutdown(s, SHUT_WR));
  CALL(read(c, b, 16));
  CALL(read(c, b, 16));
  int on = 1;
  CALL(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  CALL(connect(c, (void *)&a, sizeof a));
}
CASE(tcp_refused) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a);
  close(l);
  CALL(connect(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a, sizeof a));
}
CASE(udp_exchange) {
  struct sockaddr_in a, from;
  socklen_t n = sizeof from;
  char b[16];
  int r = bound(SOCK_DGRAM, &a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(sendto(s, "hello", 5, 0, (void *)&a, sizeof a));
  CALL(recvfrom(r, b, 16, 0, (void *)&from, &n));
  YES(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  CALL(recv(r, b, 16, MSG_DONTWAIT));
}
CASE(bind_rules) {
  struct sockaddr_in a;
  int s = bound(SOCK_STREAM, &a);
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(bind(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a, sizeof a));
  CALL(bind(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a, 4));
  a.sin_addr.s_addr = inet_addr("203.0.113.7");
  a.sin_port = 0;
  CALL(bind(NEED(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a, sizeof a));
}
CASE(inet_socketpair) {
  int s[2];
  CALL(socketpair(AF_INET, SOCK_STREAM, 0, s));
}

// The error queue of a TCP socket is empty, whatever there is to read.
CASE(tcp_error_queue_is_empty) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof a;
  int listener = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(bind(listener, (struct sockaddr *)&a, sizeof a));
  NEED(listen(listener, 1));
  NEED(getsockname(listener, (struct sockaddr *)&a, &length));
  int client = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(connect(client, (struct sockaddr *)&a, sizeof a));
  int server = NEED(accept(listener, 0, 0));
  char b[8];
  CALL(recv(client, b, sizeof b, MSG_ERRQUEUE));
  NEED(send(server, "x", 1, 0));
  CALL(recv(client, b, 1, MSG_PEEK));
  CALL(recv(client, b, sizeof b, MSG_ERRQUEUE));
  close(server);
  CALL(recv(client, b, sizeof b, 0));
  CALL(recv(client, b, sizeof b, MSG_ERRQUEUE));
}
