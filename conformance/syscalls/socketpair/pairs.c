// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/ioctl.h>

CASE(pair_basic) {
  int s[2];
  char b[16] = {0};
  CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  CALL(write(s[0], "hello", 5));
  CALL(write(s[1], "back", 4));
  CALL(read(s[1], b, 16));
  CALL(read(s[0], b, 2));
  CALL(read(s[0], b, 16));
  int avail = 0;
  write(s[0], "xyz", 3);
  CALL(ioctl(s[1], FIONREAD, &avail));
  VAL(avail);
  close(s[0]);
  CALL(read(s[1], b, 16));
  CALL(read(s[1], b, 16));
  CALL(send(s[1], "x", 1, MSG_NOSIGNAL));
  CHILD(write(s[1], "x", 1));
}
CASE(pair_errors) {
  int s[2];
  CALL(socketpair(AF_UNIX, 99, 0, s));
  CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_POINTER));
  CALL(socketpair(999, SOCK_STREAM, 0, s));
}
CASE(pair_shutdown) {
  int s[2];
  char b[8];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  write(s[0], "abc", 3);
  CALL(shutdown(s[0], SHUT_WR));
  CALL(read(s[1], b, 8));
  CALL(read(s[1], b, 8));
  CALL(send(s[0], "x", 1, MSG_NOSIGNAL));
  CALL(write(s[1], "still", 5));
  CALL(read(s[0], b, 8));
  CALL(shutdown(s[0], 77));
  CALL(shutdown(999, SHUT_RD));
  struct pollfd p[2] = {{s[0], POLLIN | POLLOUT | POLLRDHUP}, {s[1], POLLIN | POLLOUT | POLLRDHUP}};
  poll(p, 2, 0);
  say("%x %x", p[0].revents, p[1].revents);
}
CASE(pair_dgram_boundaries) {
  int s[2];
  char b[16];
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  CALL(write(s[0], "one", 3));
  CALL(write(s[0], "twoo", 4));
  CALL(read(s[1], b, 16));
  CALL(read(s[1], b, 2));
  CALL(recv(s[1], b, 16, MSG_DONTWAIT));
  char *big = calloc(1, 1 << 20);
  CALL(send(s[0], big, 1 << 20, 0));
}
CASE(pass_descriptors) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  make_file("f", "through", 0600);
  pid_t c = fork();
  if (c == 0) {
    int fd = open("f", O_RDONLY);
    char space[CMSG_SPACE(8)] = {0};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(8);
    int fds[2] = {fd, s[0]};
    memcpy(CMSG_DATA(h), fds, 8);
    CALL(sendmsg(s[0], &m, 0));
    h->cmsg_len = CMSG_LEN(4);
    m.msg_controllen = CMSG_SPACE(4);
    fds[0] = 999;
    memcpy(CMSG_DATA(h), fds, 4);
    CALL(sendmsg(s[0], &m, 0));
    _exit(0);
  }
  char space[CMSG_SPACE(16)], b[16] = {0};
  struct iovec v = {b, 16};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  report_end("child", c);
  CALL(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC));
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  VAL(h->cmsg_len);
  VAL(h->cmsg_type);
  VAL(m.msg_flags);
  int fds[2];
  memcpy(fds, CMSG_DATA(h), 8);
  VAL(fcntl(fds[0], F_GETFD));
  CALL(read(fds[0], b, 16));
  STR(b);
}
CASE(pass_descriptors_truncated) {
  int s[2], fd = NEED(open("/dev/null", O_RDWR));
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  char space[CMSG_SPACE(8)] = {0}, b[4];
  struct iovec v = {"x", 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(8);
  int fds[2] = {fd, fd};
  memcpy(CMSG_DATA(h), fds, 8);
  NEED(sendmsg(s[0], &m, 0));
  v.iov_base = b;
  m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1};
  CALL(recvmsg(s[1], &m, 0));
  VAL(m.msg_flags);
  VAL(open("/dev/null", O_RDONLY) - fd);
}
CASE(credentials) {
  int s[2], on = 1;
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  struct ucred u;
  socklen_t n = sizeof u;
  CALL(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &n));
  YES(u.pid == getpid() && u.uid == 0 && u.gid == 0);
  NEED(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  NEED(write(s[0], "x", 1));
  char space[CMSG_SPACE(sizeof u)], b[4];
  struct iovec v = {b, 4};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  CALL(recvmsg(s[1], &m, 0));
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  YES(h && h->cmsg_type == SCM_CREDENTIALS);
  if (h) { memcpy(&u, CMSG_DATA(h), sizeof u); YES(u.pid == getpid()); }
}
CASE(peek_waitall_dontwait) {
  int s[2];
  char b[16] = {0};
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  CALL(recv(s[0], b, 4, MSG_DONTWAIT));
  write(s[1], "abcdef", 6);
  CALL(recv(s[0], b, 4, MSG_PEEK));
  CALL(recv(s[0], b, 16, MSG_DONTWAIT));
  pid_t c = fork();
  if (c == 0) { write(s[1], "123", 3); sleep_ms(40); write(s[1], "456", 3); _exit(0); }
  CALL(recv(s[0], b, 6, MSG_WAITALL));
  BYTES(b, 6);
  report_end("child", c);
}
CASE(nonblocking_fills) {
  int s[2];
  char b[4096] = {0};
  NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
  long total = 0, n;
  while ((n = write(s[0], b, sizeof b)) > 0 && total < 10 << 20) total += n;
  say("%s", n < 0 ? errno_name(errno) : "never full");
  YES(total > 30000);
  struct pollfd p = {s[0], POLLOUT};
  CALL(poll(&p, 1, 0));
  long got = 0;
  while ((n = read(s[1], b, sizeof b)) > 0) got += n;
  YES(got == total);
  CALL(poll(&p, 1, 0));
}
CASE(blocking_transfer) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  pid_t c = fork();
  if (c == 0) {
    close(s[0]);
    static char b[300000];
    memset(b, 'q', sizeof b);
    long n = write(s[1], b, sizeof b);
    _exit(n == sizeof b ? 0 : 1);
  }
  close(s[1]);
  char b[1000];
  long total = 0, n;
  while ((n = read(s[0], b, sizeof b)) > 0) total += n;
  VAL(total);
  report_end("writer", c);
}
CASE(sendmmsg_recvmmsg) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  struct iovec v[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
  struct mmsghdr m[3] = {{{.msg_iov = v, .msg_iovlen = 1}}, {{.msg_iov = v + 1, .msg_iovlen = 1}}, {{.msg_iov = v + 2, .msg_iovlen = 1}}};
  CALL(sendmmsg(s[0], m, 3, 0));
  say("%d %d %d", m[0].msg_len, m[1].msg_len, m[2].msg_len);
  char b[3][8];
  for (int i = 0; i < 3; i++) v[i] = (struct iovec){b[i], 8};
  CALL(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
  say("%d %d %d", m[0].msg_len, m[1].msg_len, m[2].msg_len);
  CALL(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
}
CASE(msg_errors) {
  int s[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  struct iovec v = {"x", 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 2000};
  CALL(sendmsg(s[0], &m, 0));
  CALL(sendmsg(s[0], BAD_POINTER, 0));
  CALL(sendmsg(0, &m, 0));
  CALL(recvmsg(s[0], BAD_POINTER, 0));
  CALL(send(s[0], BAD_POINTER, 5, 0));
  CALL(sendto(s[0], "x", 1, 0, (void *)"abc", 3));
  CALL(recv(s[0], BAD_POINTER, 0, MSG_DONTWAIT));
  CALL(getpeername(0, (void *)&m, 0));
}
static void nothing(int x) {}
CASE(receive_interrupted_and_timeout) {
  int s[2];
  char b;
  struct timeval t = {0, 30000};
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  NEED(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  CALL(recv(s[0], &b, 1, 0));
  t = (struct timeval){0};
  NEED(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  struct sigaction a = {.sa_handler = nothing};
  struct itimerval i = {{0, 0}, {0, 30000}};
  sigaction(SIGALRM, &a, 0);
  setitimer(ITIMER_REAL, &i, 0);
  CALL(recv(s[0], &b, 1, 0));
}
