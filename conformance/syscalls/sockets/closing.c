// SPDX-License-Identifier: Apache-2.0
// What is left of a connection that was closed: ports kept, resets, SO_LINGER.
#include "../inet_loopback/inet.h"

static int listener(int reuse, int port, int *chosen) {
  struct sockaddr_in a = loop(port);
  socklen_t n = sizeof a;
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  if (reuse) NEED(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse));
  errno = 0;
  if (bind(s, (void *)&a, n) != 0) {
    say("bind: %s", errno_name(errno));
    close(s);
    return -1;
  }
  CALL(listen(s, 4));
  getsockname(s, (void *)&a, &n);
  *chosen = ntohs(a.sin_port);
  return s;
}
static void connection(int l, int port, int *client, int *server) {
  struct sockaddr_in a = loop(port);
  *client = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(connect(*client, (void *)&a, sizeof a));
  *server = NEED(accept(l, 0, 0));
}
// Does /proc/net/tcp show the port in `state`?
static int shown(int port, int state) {
  char line[512], want[16];
  int found = 0;
  FILE *f = fopen("/proc/net/tcp", "r");
  snprintf(want, sizeof want, ":%04X", port);
  while (fgets(line, sizeof line, f)) {
    unsigned lp, st;
    if (sscanf(line, " %*d: %*8x:%4x %*8x:%*4x %2x", &lp, &st) == 2 && (int)lp == port && (int)st == state) found++;
  }
  fclose(f);
  return found;
}
CASE(server_closes_first) {
  int port, c, s, l = listener(0, 0, &port);
  connection(l, port, &c, &s);
  close(s);
  close(l);
  sleep_ms(20);
  VAL(shown(port, 5));
  listener(0, port, &port);
  close(c);
  sleep_ms(20);
  VAL(shown(port, 6));
  listener(0, port, &port);
  listener(1, port, &port);
}
CASE(server_closes_first_reuse) {
  int port, c, s, l = listener(1, 0, &port);
  connection(l, port, &c, &s);
  close(s);
  close(l);
  close(c);
  sleep_ms(20);
  VAL(shown(port, 6));
  listener(0, port, &port);
  listener(1, port, &port);
}
CASE(client_closes_first) {
  int port, c, s, l = listener(0, 0, &port);
  connection(l, port, &c, &s);
  close(c);
  sleep_ms(10);
  close(s);
  close(l);
  sleep_ms(20);
  VAL(shown(port, 6));
  listener(0, port, &port);
}
CASE(reset_leaves_nothing) {
  int port, c, s, l = listener(0, 0, &port);
  struct linger now = {1, 0};
  char b[4];
  connection(l, port, &c, &s);
  CALL(setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  close(s);
  close(l);
  sleep_ms(20);
  VAL(shown(port, 6));
  CALL(read(c, b, 4));
  CALL(read(c, b, 4));
  listener(0, port, &port);
}
CASE(unread_data_resets) {
  int port, c, s, l = listener(0, 0, &port);
  char b[4];
  connection(l, port, &c, &s);
  CALL(write(c, "abc", 3));
  sleep_ms(20);
  close(s);
  sleep_ms(20);
  VAL(shown(port, 6));
  CALL(read(c, b, 4));
  CALL(send(c, "x", 1, MSG_NOSIGNAL));
}
CASE(write_after_close) {
  int port, c, s, l = listener(0, 0, &port);
  char b[4];
  connection(l, port, &c, &s);
  CALL(write(s, "bye", 3));
  close(s);
  sleep_ms(20);
  CALL(send(c, "one", 3, MSG_NOSIGNAL));
  sleep_ms(20);
  CALL(read(c, b, 4));
  CALL(read(c, b, 4));
  CALL(send(c, "two", 3, MSG_NOSIGNAL));
  close(l);
  sleep_ms(20);
  VAL(shown(port, 5));
  VAL(shown(port, 6));
}
CASE(linger_with_time) {
  int port, c, s, l = listener(0, 0, &port);
  struct linger some = {1, 2};
  char b[8] = "";
  connection(l, port, &c, &s);
  CALL(setsockopt(c, SOL_SOCKET, SO_LINGER, &some, sizeof some));
  CALL(write(c, "last", 4));
  CALL(close(c));
  CALL(read(s, b, 8));
  CALL(read(s, b, 8));
}
CASE(listener_closes_with_waiting) {
  int port, c, l = listener(0, 0, &port);
  struct sockaddr_in a = loop(port);
  char b[4];
  c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(connect(c, (void *)&a, sizeof a));
  CALL(write(c, "abc", 3));
  close(l);
  sleep_ms(20);
  CALL(read(c, b, 4));
  CALL(send(c, "x", 1, MSG_NOSIGNAL));
  listener(0, port, &port);
}
CASE(rcvlowat_waits) {
  struct pair p = tcp_pair();
  int low = 4, n;
  char b[8];
  socklen_t l = sizeof n;
  CALL(setsockopt(p.server, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
  CALL(getsockopt(p.server, SOL_SOCKET, SO_RCVLOWAT, &n, &l));
  VAL(n);
  CALL(write(p.client, "ab", 2));
  struct pollfd q = {.fd = p.server, .events = POLLIN};
  sleep_ms(20);
  CALL(poll(&q, 1, 0));
  CALL(recv(p.server, b, 8, MSG_DONTWAIT | MSG_PEEK));
  CALL(write(p.client, "cd", 2));
  sleep_ms(20);
  CALL(poll(&q, 1, 0));
  CALL(recv(p.server, b, 8, 0));
  CALL(write(p.client, "e", 1));
  CALL(shutdown(p.client, SHUT_WR));
  CALL(recv(p.server, b, 8, 0));
}
CASE(peek_offset) {
  struct pair p = tcp_pair();
  int off = 0, n, d[2];
  char b[8];
  socklen_t l = sizeof n;
  CALL(setsockopt(p.server, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off));
  CALL(write(p.client, "abcdef", 6));
  sleep_ms(20);
  CALL(recv(p.server, b, 2, MSG_PEEK));
  CALL(recv(p.server, b, 2, MSG_PEEK));
  say("%.2s", b);
  CALL(recv(p.server, b, 3, 0));
  CALL(getsockopt(p.server, SOL_SOCKET, SO_PEEK_OFF, &n, &l));
  VAL(n);
  CALL(recv(p.server, b, 8, MSG_PEEK));
  CALL(recv(p.server, b, 8, MSG_PEEK | MSG_DONTWAIT));
  for (int type = 0; type < 2; type++) {
    NEED(socketpair(AF_UNIX, type ? SOCK_STREAM : SOCK_DGRAM, 0, d));
    CALL(setsockopt(d[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off));
    NEED(write(d[0], "abcdef", 6));
    NEED(write(d[0], "ghi", 3));
    CALL(recv(d[1], b, 4, MSG_PEEK));
    CALL(recv(d[1], b, 4, MSG_PEEK));
    say("%.2s", b);
    CALL(recv(d[1], b, 4, MSG_PEEK | MSG_DONTWAIT));
    CALL(getsockopt(d[1], SOL_SOCKET, SO_PEEK_OFF, &n, &l));
    VAL(n);
    CALL(recv(d[1], b, 4, 0));
    CALL(getsockopt(d[1], SOL_SOCKET, SO_PEEK_OFF, &n, &l));
    VAL(n);
  }
}
CASE(large_write_to_one_who_left) {
  static char b[1 << 20];
  struct iovec v[64];
  struct pair p = tcp_pair();
  close(p.server);
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < 64; i++) v[i] = (struct iovec){b, sizeof b};
  errno = 0;
  long n = writev(p.client, v, 64);
  say("not all of it: %d", n < 64l * (long)sizeof b);
  CALL(writev(p.client, v, 64));
}
CASE(small_write_after_one_that_filled) {
  static char b[1 << 20];
  struct pair p = tcp_pair();
  long n, total = 0, got = 0;
  fcntl(p.client, F_SETFL, O_NONBLOCK);
  while ((n = write(p.client, b, sizeof b)) > 0) total += n;
  struct pollfd f = {.fd = p.client, .events = POLLOUT};
  while (poll(&f, 1, 0) == 0 && got < total) {
    n = recv(p.server, b, 1024, 0);
    if (n <= 0) break;
    got += n;
  }
  say("room again: %d", got < total);
  CALL(write(p.client, "A", 1));
}
