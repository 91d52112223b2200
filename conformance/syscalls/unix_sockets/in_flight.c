// SPDX-License-Identifier: Apache-2.0
// Descriptors in flight: what is only held by messages nobody can receive is collected, what can still be received is not.
#include "case.h"
#include <sys/epoll.h>
#include <sys/un.h>

static int pass(int s, int fd) {
  char space[CMSG_SPACE(4)] = {0};
  struct iovec v = {"x", 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(4);
  memcpy(CMSG_DATA(h), &fd, 4);
  return sendmsg(s, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}
static int take(int s) {
  char space[CMSG_SPACE(4)], b[4];
  struct iovec v = {b, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  int fd = -1;
  if (recvmsg(s, &m, MSG_DONTWAIT) == 1 && CMSG_FIRSTHDR(&m)) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), 4);
  return fd;
}
// What Linux does at once or a moment later, from a work queue; sockets that come and go make it happen.
static void collected(const char *what, int pipe_end) {
  struct pollfd p = {.fd = pipe_end, .events = POLLIN};
  for (int i = 0; i < 200; i++) {
    int s[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    close(s[0]), close(s[1]);
    if (poll(&p, 1, 10) == 1 && (p.revents & POLLHUP)) {
      say("%s: collected", what);
      return;
    }
  }
  say("%s: kept", what);
}
static void kept(const char *what, int pipe_end) {
  struct pollfd p = {.fd = pipe_end, .events = POLLIN};
  for (int i = 0; i < 5; i++) {
    int s[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    close(s[0]), close(s[1]);
  }
  say("%s: %s", what, poll(&p, 1, 50) == 0 ? "kept" : "collected");
}
static void itself(int type) {
  int s[2], p[2];
  NEED(socketpair(AF_UNIX, type, 0, s));
  NEED(pipe(p));
  CALL(pass(s[0], s[0]));
  CALL(pass(s[0], s[1]));
  CALL(pass(s[1], s[0]));
  CALL(pass(s[0], p[1]));
  close(p[1]);
  kept("held", p[0]);
  close(s[0]), close(s[1]);
  collected("a pair in its own queues", p[0]);
}
CASE(cycle_of_itself_stream) { itself(SOCK_STREAM); }
CASE(cycle_of_itself_datagram) { itself(SOCK_DGRAM); }
CASE(cycle_of_itself_seqpacket) { itself(SOCK_SEQPACKET); }
CASE(cycle_of_many) {
  int s[20][2], p[2];
  NEED(pipe(p));
  for (int i = 0; i < 20; i++) NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s[i]));
  for (int i = 0; i < 20; i++) NEED(pass(s[i][0], s[(i + 1) % 20][1]));
  for (int i = 0; i < 20; i++) NEED(pass(s[i][0], s[(i + 7) % 20][0]));
  NEED(pass(s[11][0], p[1]));
  close(p[1]);
  for (int i = 1; i < 20; i++) close(s[i][0]), close(s[i][1]);
  kept("one is still open", p[0]);
  close(s[0][0]), close(s[0][1]);
  collected("ring of twenty", p[0]);
}
CASE(cycle_that_is_still_received) {
  int a[2], b[2], p[2];
  char c = 0;
  NEED(pipe(p));
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, a));
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, b));
  NEED(pass(a[0], b[1]));
  NEED(pass(b[0], a[0]));
  NEED(pass(b[0], p[1]));
  close(p[1]), close(b[0]), close(b[1]), close(a[0]);
  kept("reachable through the one that is open", p[0]);
  int inner = take(a[1]);
  YES(inner >= 0);
  int back = take(inner), end = take(inner);
  YES(back >= 0);
  YES(end >= 0);
  CALL(write(end, "!", 1));
  CALL(read(p[0], &c, 1));
  close(end), close(inner), close(back), close(a[1]);
  collected("the rest", p[0]);
}
CASE(cycle_through_a_listener) {
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "l"};
  int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), p[2];
  NEED(pipe(p));
  NEED(bind(l, (void *)&a, sizeof a));
  NEED(listen(l, 4));
  int c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  NEED(connect(c, (void *)&a, sizeof a));
  NEED(pass(c, l));
  NEED(pass(c, c));
  NEED(pass(c, p[1]));
  close(p[1]), close(c);
  kept("listener open", p[0]);
  close(l);
  collected("listener with what it did not accept", p[0]);
}
CASE(cycle_through_an_epoll) {
  int s[2], p[2], e = NEED(epoll_create1(0));
  struct epoll_event v = {EPOLLIN};
  NEED(pipe(p));
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, s[0], &v));
  NEED(pass(s[1], e));
  NEED(pass(s[1], s[0]));
  NEED(pass(s[1], p[1]));
  close(p[1]), close(e), close(s[0]), close(s[1]);
  collected("sockets an epoll in flight watches", p[0]);
}
CASE(in_flight_of_a_process_that_died) {
  int p[2], st;
  NEED(pipe(p));
  for (int i = 0; i < 50; i++) {
    if (fork() == 0) {
      int s[2];
      NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
      pass(s[0], s[1]), pass(s[1], s[0]), pass(s[0], p[1]);
      kill(getpid(), SIGKILL);
    }
    wait(&st);
  }
  close(p[1]);
  collected("cycles of fifty that were killed", p[0]);
}
CASE(in_flight_is_limited) {
  struct rlimit r = {50, 50};
  int s[2], sent = 0, n, e = 0, fd = NEED(open("/dev/null", O_RDONLY)), got = 0;
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  setrlimit(RLIMIT_NOFILE, &r);
  become(12345);
  for (; sent < 200; sent++) {
    errno = 0;
    if ((n = pass(s[0], fd)) < 0) {
      e = errno;
      break;
    }
  }
  say("sent %d, then %s", sent, errno_name(e));
  while ((n = take(s[1])) >= 0) got++, close(n);
  VAL(got);
  CALL(pass(s[0], fd));
}
CASE(chain_of_sockets_deep) {
  int s[2], last = -1, depth = 0, p[2];
  NEED(pipe(p));
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  NEED(pass(s[0], p[1]));
  close(p[1]), close(s[0]);
  last = s[1];
  for (; depth < 3000; depth++) {
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    if (pass(s[0], last) < 0) break;
    close(s[0]), close(last);
    last = s[1];
  }
  say("deep enough: %d", depth == 3000);
  close(last);
  collected("a chain", p[0]);
}
