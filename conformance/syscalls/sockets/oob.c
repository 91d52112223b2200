// SPDX-License-Identifier: Apache-2.0
// Urgent data: MSG_OOB, SO_OOBINLINE, SIOCATMARK, SIGURG, POLLPRI.
#include "../inet_loopback/inet.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>

static int at_mark(int fd) {
  int at = -1;
  ioctl(fd, SIOCATMARK, &at);
  return at;
}
static int inq(int fd) {
  int n = -1;
  ioctl(fd, FIONREAD, &n);
  return n;
}
static void state(const char *what, int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLPRI};
  sleep_ms(20);
  poll(&p, 1, 0);
  say("%s: mark %d inq %d%s%s", what, at_mark(fd), inq(fd), p.revents & POLLIN ? " IN" : "", p.revents & POLLPRI ? " PRI" : "");
}
static void take(const char *what, int fd, int size, int flags) {
  char b[64];
  memset(b, 0, sizeof b);
  errno = 0;
  long n = recv(fd, b, size, flags | MSG_DONTWAIT);
  say("%s: %ld %s '%s'", what, n, n < 0 ? errno_name(errno) : "", n > 0 ? b : "");
}
static struct pair unix_pair(void) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  return (struct pair){s[0], s[1]};
}
static void plain(struct pair p) {
  CALL(send(p.client, "abc", 3, MSG_OOB));
  state("sent", p.server);
  take("read", p.server, 10, 0);
  state("after read", p.server);
  take("oob peek", p.server, 10, MSG_OOB | MSG_PEEK);
  take("oob", p.server, 10, MSG_OOB);
  state("after oob", p.server);
  take("oob again", p.server, 10, MSG_OOB);
  CALL(send(p.client, "de", 2, 0));
  state("more", p.server);
  take("rest", p.server, 10, 0);
  state("end", p.server);
  take("oob none", p.server, 10, MSG_OOB);
}
CASE(oob_tcp) { plain(tcp_pair()); }
CASE(oob_unix) { plain(unix_pair()); }
static void in_line(struct pair p) {
  int on = 1;
  CALL(setsockopt(p.server, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
  CALL(send(p.client, "abc", 3, MSG_OOB));
  CALL(send(p.client, "de", 2, 0));
  state("sent", p.server);
  take("oob", p.server, 10, MSG_OOB);
  take("first", p.server, 10, 0);
  state("at", p.server);
  take("second", p.server, 10, 0);
  state("end", p.server);
}
CASE(oob_inline_tcp) { in_line(tcp_pair()); }
CASE(oob_inline_unix) { in_line(unix_pair()); }
static void passed_over(struct pair p) {
  CALL(send(p.client, "abc", 3, MSG_OOB));
  CALL(send(p.client, "de", 2, 0));
  sleep_ms(20);
  take("peek", p.server, 10, MSG_PEEK);
  take("one", p.server, 1, 0);
  take("two", p.server, 10, 0);
  state("at mark", p.server);
  take("peek at mark", p.server, 10, MSG_PEEK);
  take("three", p.server, 10, 0);
  VAL(at_mark(p.server));
  take("oob", p.server, 1, MSG_OOB);
}
CASE(oob_passed_over_tcp) { passed_over(tcp_pair()); }
CASE(oob_passed_over_unix) { passed_over(unix_pair()); }
static void twice(struct pair p) {
  CALL(send(p.client, "a1", 2, MSG_OOB));
  CALL(send(p.client, "b2", 2, MSG_OOB));
  state("two", p.server);
  take("read", p.server, 10, 0);
  take("oob", p.server, 10, MSG_OOB);
  take("read", p.server, 10, 0);
  state("end", p.server);
  CALL(send(p.client, "x", 1, MSG_OOB));
  CALL(send(p.client, "y", 1, MSG_OOB));
  state("xy", p.server);
  take("read", p.server, 10, 0);
  take("oob", p.server, 10, MSG_OOB);
  take("read", p.server, 10, 0);
}
CASE(oob_twice_tcp) { twice(tcp_pair()); }
CASE(oob_twice_unix) { twice(unix_pair()); }
static volatile int urgent;
static void on_urgent(int s) { urgent += s == SIGURG; }
static void signalled(struct pair p) {
  signal(SIGURG, on_urgent);
  CALL(fcntl(p.server, F_SETOWN, getpid()));
  CALL(send(p.client, "u", 1, MSG_OOB));
  for (int i = 0; i < 200 && !urgent; i++) sleep_ms(5);
  VAL(urgent);
  CALL(send(p.client, "plain", 5, 0));
  sleep_ms(20);
  VAL(urgent);
}
CASE(sigurg_tcp) { signalled(tcp_pair()); }
CASE(sigurg_unix) { signalled(unix_pair()); }
static void *writer(void *fd) {
  int s = *(int *)fd;
  sleep_ms(30);
  send(s, "ab!", 3, MSG_OOB);
  sleep_ms(30);
  send(s, "cd", 2, 0);
  return 0;
}
CASE(oob_stops_waitall) {
  struct pair p = tcp_pair();
  pthread_t t;
  char b[8] = "";
  pthread_create(&t, 0, writer, &p.client);
  CALL(recv(p.server, b, 4, MSG_WAITALL));
  say("%s", b);
  pthread_join(t, 0);
  CALL(recv(p.server, b, 2, MSG_WAITALL));
  say("%.2s", b);
}
CASE(oob_errors) {
  struct pair p = tcp_pair(), u = unix_pair();
  char b[4];
  CALL(recv(p.server, b, 1, MSG_OOB));
  CALL(recv(u.server, b, 1, MSG_OOB));
  CALL(send(u.client, "", 0, MSG_OOB));
  CALL(send(p.client, "", 0, MSG_OOB));
  int d[2];
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
  CALL(send(d[0], "a", 1, MSG_OOB));
  CALL(recv(d[0], b, 1, MSG_OOB | MSG_DONTWAIT));
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(recv(s, b, 1, MSG_OOB));
  CALL(send(p.client, "z", 1, MSG_OOB));
  sleep_ms(20);
  close(p.client);
  sleep_ms(20);
  CALL(recv(p.server, b, 1, MSG_OOB));
  CALL(recv(p.server, b, 1, MSG_OOB));
  CALL(recv(p.server, b, 1, 0));
}
