// SPDX-License-Identifier: Apache-2.0
// Calls that are wrong, and peers that do not play along: malformed addresses, messages and vectors; nobody reads; storms of connections.
#include "../inet_loopback/inet.h"
#include <sys/un.h>

static void names(int family, int type) {
  static const int lengths[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 23, 24, 27, 28, 29, 109, 110, 111, 128, 129, -1};
  for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    char a[256] = "";
    int s = NEED(socket(family, type | SOCK_NONBLOCK, 0)), t = NEED(socket(family, type | SOCK_NONBLOCK, 0));
    *(short *)a = family;
    if (family == AF_UNIX) memset(a + 2, 'x', 120), a[2] = 0;
    errno = 0;
    int b = bind(s, (void *)a, lengths[i]), be = errno;
    if (family == AF_INET) memcpy(a + 4, "\177\0\0\1", 4), a[3] = 1;
    if (family == AF_INET6) a[23] = 1, a[3] = 1;
    errno = 0;
    int c = connect(t, (void *)a, lengths[i]), ce = errno;
    errno = 0;
    int m = sendto(t, "x", 1, MSG_NOSIGNAL, (void *)a, lengths[i]), me = errno;
    say("%d: bind %s connect %s sendto %s", lengths[i], b ? errno_name(be) : "ok", c ? errno_name(ce) : "ok", m < 0 ? errno_name(me) : "ok");
    close(s), close(t);
  }
}
CASE(bad_address_inet_stream) { names(AF_INET, SOCK_STREAM); }
CASE(bad_address_inet_datagram) { names(AF_INET, SOCK_DGRAM); }
CASE(bad_address_inet6_stream) { names(AF_INET6, SOCK_STREAM); }
CASE(bad_address_inet6_datagram) { names(AF_INET6, SOCK_DGRAM); }
CASE(bad_address_unix_stream) { names(AF_UNIX, SOCK_STREAM); }
CASE(bad_address_unix_datagram) { names(AF_UNIX, SOCK_DGRAM); }

static void control(int s, const char *what, const void *bytes, size_t length) {
  struct iovec v = {"d", 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = (void *)bytes, .msg_controllen = length};
  errno = 0;
  long n = sendmsg(s, &m, MSG_DONTWAIT);
  say("%s: %ld %s", what, n, n < 0 ? errno_name(errno) : "");
}
static void controls(int s) {
  struct {
    struct cmsghdr h;
    int fds[260];
  } c = {{.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}, {0}};
  static char large[1 << 20];
  control(s, "none", 0, 0);
  control(s, "short header", &c, 12);
  control(s, "one descriptor", &c, CMSG_LEN(4));
  c.h.cmsg_len = 15;
  control(s, "length below header", &c, CMSG_SPACE(4));
  c.h.cmsg_len = CMSG_LEN(0);
  control(s, "no descriptor", &c, CMSG_SPACE(4));
  c.h.cmsg_len = CMSG_LEN(3);
  control(s, "three bytes", &c, CMSG_SPACE(4));
  c.h.cmsg_len = CMSG_LEN(7);
  control(s, "seven bytes", &c, CMSG_SPACE(8));
  c.h.cmsg_len = 1000;
  control(s, "length beyond", &c, CMSG_SPACE(4));
  c.h.cmsg_len = (size_t)-1;
  control(s, "length huge", &c, CMSG_SPACE(4));
  c.h.cmsg_len = CMSG_LEN(4 * 253);
  control(s, "253", &c, CMSG_LEN(4 * 253));
  c.h.cmsg_len = CMSG_LEN(4 * 254);
  control(s, "254", &c, CMSG_LEN(4 * 254));
  c.h.cmsg_len = CMSG_LEN(4);
  c.fds[0] = 9999;
  control(s, "closed descriptor", &c, CMSG_LEN(4));
  c.fds[0] = -1;
  control(s, "descriptor -1", &c, CMSG_LEN(4));
  c.h.cmsg_type = SCM_CREDENTIALS;
  control(s, "short credentials", &c, CMSG_LEN(4));
  c.h.cmsg_len = CMSG_LEN(12);
  c.fds[0] = 99999999, c.fds[1] = c.fds[2] = 0;
  control(s, "credentials of nobody", &c, CMSG_LEN(12));
  c.h.cmsg_type = 99;
  control(s, "unknown type", &c, CMSG_LEN(12));
  c.h.cmsg_level = 12345;
  control(s, "unknown level", &c, CMSG_LEN(12));
  control(s, "bad pointer", (void *)8, 64);
  control(s, "large", large, sizeof large);
  control(s, "zeros", large, 64);
}
CASE(bad_control_unix) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  controls(s[0]);
}
CASE(bad_control_udp) {
  struct sockaddr_in a;
  int r = bound(SOCK_DGRAM, &a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  NEED(connect(s, (void *)&a, sizeof a));
  controls(s);
  close(r);
}
static void vectors(int s, int r) {
  static struct iovec v[1025];
  char b[16] = "data";
  struct msghdr m = {.msg_iov = v};
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  m.msg_iovlen = 1025;
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  m.msg_iovlen = -1;
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  m.msg_iovlen = 1;
  v[0] = (struct iovec){b, -1};
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  v[0] = (struct iovec){(void *)8, 4};
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  v[0] = (struct iovec){(void *)8, 0};
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  m.msg_iov = (void *)8;
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  m.msg_iov = v;
  m.msg_namelen = -5;
  m.msg_name = b;
  CALL(sendmsg(s, &m, MSG_DONTWAIT));
  CALL(sendmsg(s, (void *)8, MSG_DONTWAIT));
  CALL(recvmsg(r, (void *)8, MSG_DONTWAIT));
  CALL(send(s, b, 4, 0));
  sleep_ms(5);
  CALL(recv(r, (void *)8, 4, MSG_DONTWAIT));
  CALL(sendmmsg(s, (void *)8, 1, 0));
  CALL(recvmmsg(r, (void *)8, 1, MSG_DONTWAIT, 0));
  CALL(getsockname(s, (void *)8, 0));
  CALL(accept(s, 0, 0));
}
CASE(bad_vectors_unix) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  vectors(s[0], s[1]);
}
CASE(bad_vectors_tcp) {
  struct pair p = tcp_pair();
  vectors(p.client, p.server);
}
static void nobody_reads(int s, int r, int is_stream) {
  static char b[65536];
  long total = 0, n, calls = 0;
  while ((n = send(s, b, is_stream ? sizeof b : 1000, MSG_DONTWAIT)) > 0 && calls < 100000) total += n, calls++;
  say("stopped: %s, bounded %d", n < 0 ? errno_name(errno) : "no", total < 64 << 20);
  struct pollfd p = {.fd = s, .events = POLLOUT};
  VAL(poll(&p, 1, 0));
  long got = 0;
  while (got < total && (n = recv(r, b, sizeof b, 0)) > 0) got += n;
  VAL(got == total);
  VAL(poll(&p, 1, 1000));
}
CASE(nobody_reads_tcp) {
  struct pair p = tcp_pair();
  nobody_reads(p.client, p.server, 1);
}
CASE(nobody_reads_unix) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  nobody_reads(s[0], s[1], 1);
}
CASE(nobody_reads_unix_datagram) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  nobody_reads(s[0], s[1], 0);
}
CASE(nobody_reads_udp) {
  struct sockaddr_in a;
  int r = bound(SOCK_DGRAM, &a), s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), sent = 0, got = 0;
  char b[1000];
  NEED(connect(s, (void *)&a, sizeof a));
  for (; sent < 5000 && send(s, b, sizeof b, 0) > 0; sent++)
    ;
  sleep_ms(20);
  while (recv(r, b, sizeof b, MSG_DONTWAIT) > 0) got++;
  say("all sent %d, some kept %d, some lost %d", sent == 5000, got > 10, got < 5000);
}
CASE(storm_nobody_accepts) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a), s[200], made = 0, odd = 0;
  NEED(listen(l, 4));
  for (int i = 0; i < 200; i++) {
    s[i] = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    errno = 0;
    if (connect(s[i], (void *)&a, sizeof a) != 0 && errno != EINPROGRESS) odd++;
  }
  sleep_ms(50);
  for (int i = 0; i < 200; i++) {
    struct pollfd p = {.fd = s[i], .events = POLLOUT};
    made += poll(&p, 1, 0) == 1;
  }
  VAL(made);
  VAL(odd);
  for (int i = 0; i < 5; i++) OK(accept(l, 0, 0));
  close(l);
  for (int i = 0; i < 200; i++) close(s[i]);
}
CASE(storm_short_connections) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a), good = 0;
  char b[8];
  NEED(listen(l, 64));
  for (int i = 0; i < 3000; i++) {
    int c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (void *)&a, sizeof a) != 0) break;
    int s = accept(l, 0, 0);
    if (write(c, "x", 1) == 1 && read(s, b, 8) == 1) good++;
    close(i & 1 ? c : s);
    close(i & 1 ? s : c);
  }
  VAL(good);
}
CASE(storm_unix_nobody_accepts) {
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "storm"};
  int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), made = 0, full = 0;
  NEED(bind(l, (void *)&a, sizeof a));
  NEED(listen(l, 4));
  for (int i = 0; i < 200; i++) {
    int s = NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (connect(s, (void *)&a, sizeof a) == 0) made++;
    else full += errno == EAGAIN;
  }
  VAL(made);
  VAL(full);
}
