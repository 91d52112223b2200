// SPDX-License-Identifier: Apache-2.0
// TCP between sockets of one host: states, ends, errors, readiness.
#include "inet.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

static void say_poll(const char *what, int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
  sleep_ms(20);
  int n = poll(&p, 1, 0);
  say("%s: poll %d%s%s%s%s%s", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "", p.revents & POLLRDHUP ? " RDHUP" : "", p.revents & POLLHUP ? " HUP" : "", p.revents & POLLERR ? " ERR" : "");
}
static int sock_error(int fd) {
  int e = -1;
  socklen_t n = sizeof e;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
  return e;
}
static int tcp_state(int fd) {
  struct tcp_info i;
  socklen_t n = sizeof i;
  memset(&i, 0, sizeof i);
  getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n);
  return i.tcpi_state;
}
CASE(fresh_socket) {
  char b[4];
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  say_poll("fresh", s);
  CALL(read(s, b, 4));
  CALL(shutdown(s, SHUT_RD));
  CALL(accept(s, 0, 0));
  signal(SIGPIPE, SIG_IGN);
  CALL(write(s, "x", 1));
  CALL(send(s, "x", 1, MSG_NOSIGNAL));
  struct sockaddr_in a;
  socklen_t n = sizeof a;
  CALL(getpeername(s, (void *)&a, &n));
  CALL(getsockname(s, (void *)&a, &n));
  VAL(a.sin_port);
  VAL(tcp_state(s));
}
CASE(half_close) {
  struct pair p = tcp_pair();
  char b[8];
  CALL(shutdown(p.client, SHUT_WR));
  say_poll("server", p.server);
  say_poll("client", p.client);
  CALL(read(p.server, b, 8));
  CALL(write(p.server, "after", 5));
  sleep_ms(20);
  CALL(read(p.client, b, 8));
  CALL(send(p.client, "x", 1, MSG_NOSIGNAL));
  CALL(shutdown(p.client, SHUT_WR));
  CALL(close(p.server));
  say_poll("client after close", p.client);
  CALL(read(p.client, b, 8));
  VAL(sock_error(p.client));
  CALL(shutdown(p.client, SHUT_RDWR));
}
CASE(shutdown_read) {
  struct pair p = tcp_pair();
  char b[8];
  CALL(shutdown(p.client, SHUT_RD));
  say_poll("client", p.client);
  CALL(read(p.client, b, 8));
  CALL(write(p.server, "late", 4));
  sleep_ms(20);
  CALL(read(p.client, b, 8));
  CALL(read(p.client, b, 8));
  say_poll("server", p.server);
}
CASE(reset_by_unread_data) {
  struct pair p = tcp_pair();
  char b[8];
  CALL(write(p.client, "unread", 6));
  sleep_ms(20);
  CALL(close(p.server));
  say_poll("client", p.client);
  CALL(read(p.client, b, 8));
  CALL(read(p.client, b, 8));
  CALL(send(p.client, "x", 1, MSG_NOSIGNAL));
  say_poll("client at the end", p.client);
  struct sockaddr_in a;
  socklen_t n = sizeof a;
  CALL(getpeername(p.client, (void *)&a, &n));
}
CASE(reset_by_linger) {
  struct pair p = tcp_pair();
  struct linger l = {1, 0};
  CALL(setsockopt(p.server, SOL_SOCKET, SO_LINGER, &l, sizeof l));
  CALL(write(p.server, "data", 4));
  sleep_ms(20);
  CALL(close(p.server));
  say_poll("client", p.client);
  VAL(sock_error(p.client));
  VAL(sock_error(p.client));
  char b[8];
  CALL(read(p.client, b, 8));
}
CASE(write_after_peer_closed) {
  struct pair p = tcp_pair();
  CALL(close(p.server));
  sleep_ms(20);
  CALL(send(p.client, "one", 3, MSG_NOSIGNAL));
  say_poll("client", p.client);
  CALL(send(p.client, "two", 3, MSG_NOSIGNAL));
  CALL(send(p.client, "two", 3, MSG_NOSIGNAL));
  char b[8];
  CALL(read(p.client, b, 8));
}
CASE(sigpipe) {
  struct pair p = tcp_pair();
  CALL(shutdown(p.client, SHUT_WR));
  CHILD(write(p.client, "x", 1));
}
CASE(nonblocking_connect) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a);
  CALL(listen(l, 4));
  int c = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CALL(connect(c, (void *)&a, sizeof a));
  say_poll("client", c);
  VAL(sock_error(c));
  CALL(connect(c, (void *)&a, sizeof a));
  CALL(connect(c, (void *)&a, sizeof a));
  close(l);
  sleep_ms(20);
  say_poll("listener gone", c);
  int d = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CALL(connect(d, (void *)&a, sizeof a));
  say_poll("refused", d);
  CALL(connect(d, (void *)&a, sizeof a));
  VAL(sock_error(d));
}
CASE(refused_then_again) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a);
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(connect(c, (void *)&a, sizeof a));
  VAL(sock_error(c));
  say_poll("refused", c);
  CALL(listen(l, 1));
  CALL(connect(c, (void *)&a, sizeof a));
  CALL(connect(c, (void *)&a, sizeof a));
  VAL(tcp_state(c));
  VAL(tcp_state(l));
}
CASE(connect_unspec) {
  struct pair p = tcp_pair();
  struct sockaddr_in a = {.sin_family = AF_UNSPEC};
  CALL(connect(p.client, (void *)&a, sizeof a));
  say_poll("server", p.server);
  VAL(sock_error(p.server));
  say_poll("client", p.client);
  char b[4];
  CALL(read(p.client, b, 4));
}
CASE(listener_rules) {
  struct sockaddr_in a;
  int l = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CALL(listen(l, 1));
  socklen_t n = sizeof a;
  CALL(getsockname(l, (void *)&a, &n));
  YES(a.sin_port != 0);
  CALL(accept(l, 0, 0));
  CALL(connect(l, (void *)&a, sizeof a));
  CALL(send(l, "x", 1, MSG_NOSIGNAL));
  char b[4];
  CALL(recv(l, b, 4, 0));
  int v;
  CALL(ioctl(l, FIONREAD, &v));
  CALL(listen(l, 5));
  say_poll("listener", l);
  CALL(shutdown(l, SHUT_RD));
  CALL(accept(l, 0, 0));
  say_poll("shut down", l);
  CALL(listen(l, 5));
  CALL(accept(l, 0, 0));
  int u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(listen(u, 1));
  CALL(accept(u, 0, 0));
}
CASE(listener_closes_with_pending) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a);
  CALL(listen(l, 4));
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(connect(c, (void *)&a, sizeof a));
  CALL(write(c, "hi", 2));
  CALL(close(l));
  say_poll("client", c);
  char b[4];
  CALL(read(c, b, 4));
}
CASE(accepted_socket) {
  struct sockaddr_in a, peer;
  socklen_t n = sizeof peer;
  int on = 1;
  int l = bound(SOCK_STREAM, &a);
  struct timeval tv = {3, 0};
  setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  CALL(listen(l, 4));
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(connect(c, (void *)&a, sizeof a));
  int s = OK(accept4(l, (void *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC));
  VAL(n);
  YES(peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && peer.sin_port != 0);
  CALL(fcntl(s, F_GETFD));
  OCT(fcntl(s, F_GETFL));
  int v = 0;
  n = sizeof v;
  CALL(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, &n));
  VAL(v);
  CALL(getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, &n));
  VAL(v);
  n = sizeof tv;
  tv.tv_sec = 0;
  CALL(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &n));
  VAL(tv.tv_sec);
  n = sizeof v;
  CALL(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
  VAL(v);
  CALL(getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
  VAL(v);
  struct sockaddr_in name;
  n = sizeof name;
  CALL(getsockname(s, (void *)&name, &n));
  YES(name.sin_port == a.sin_port);
  CALL(accept4(l, 0, 0, 0x40));
}
CASE(peek_trunc_waitall) {
  struct pair p = tcp_pair();
  char b[16] = {0};
  CALL(write(p.client, "0123456789", 10));
  sleep_ms(20);
  CALL(recv(p.server, b, 4, MSG_PEEK));
  CALL(recv(p.server, b, 4, MSG_PEEK));
  STR(b);
  int v = -1;
  CALL(ioctl(p.server, FIONREAD, &v));
  VAL(v);
  CALL(recv(p.server, b, 3, MSG_TRUNC));
  CALL(recv(p.server, b, 16, 0));
  BYTES(b, 7);
  CALL(recv(p.server, b, 4, MSG_DONTWAIT));
  if (fork() == 0) {
    for (int i = 0; i < 4; i++) {
      sleep_ms(10);
      write(p.client, "abcd", 4);
    }
    _exit(0);
  }
  CALL(recv(p.server, b, 16, MSG_WAITALL));
  BYTES(b, 16);
  wait(0);
}
CASE(out_of_band) {
  struct pair p = tcp_pair();
  char b[4];
  CALL(recv(p.server, b, 1, MSG_OOB));
  int v = -1;
  CALL(ioctl(p.server, SIOCATMARK, &v));
  VAL(v);
}
CASE(scatter_gather) {
  struct pair p = tcp_pair();
  char one[3], two[8] = {0};
  struct iovec out[2] = {{"abc", 3}, {"defgh", 5}}, in[2] = {{one, 3}, {two, 8}};
  struct msghdr m = {.msg_iov = out, .msg_iovlen = 2}, r = {.msg_iov = in, .msg_iovlen = 2};
  CALL(sendmsg(p.client, &m, 0));
  sleep_ms(20);
  struct sockaddr_in from;
  r.msg_name = &from;
  r.msg_namelen = sizeof from;
  CALL(recvmsg(p.server, &r, 0));
  BYTES(two, 5);
  VAL(r.msg_namelen);
  VAL(r.msg_flags);
  CALL(write(p.client, BAD_POINTER, 10));
  CALL(write(p.client, "ok", 2));
  sleep_ms(20);
  CALL(read(p.server, BAD_POINTER, 10));
  CALL(read(p.server, two, 8));
}
CASE(receive_timeout) {
  struct pair p = tcp_pair();
  struct timeval tv = {0, 50000};
  char b[4];
  CALL(setsockopt(p.client, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  long long before = now_ms();
  CALL(read(p.client, b, 4));
  YES(now_ms() - before >= 45);
}
CASE(full_and_drained) {
  struct pair p = tcp_pair();
  static char big[65536];
  int size = 16384;
  setsockopt(p.client, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  fcntl(p.client, F_SETFL, O_NONBLOCK);
  long total = 0, n;
  while ((n = write(p.client, big, sizeof big)) > 0) total += n;
  YES(total > 16384 && total < 64 << 20);
  CALL(write(p.client, big, 1));
  struct pollfd o = {.fd = p.client, .events = POLLOUT};
  CALL(poll(&o, 1, 0));
  long got = 0;
  fcntl(p.server, F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 500 && got < total; i++) {
    while ((n = read(p.server, big, sizeof big)) > 0) got += n;
    sleep_ms(1);
  }
  YES(got == total);
  CALL(poll(&o, 1, 1000));
  CALL(write(p.client, big, 1));
}
CASE(epoll_edges) {
  struct pair p = tcp_pair();
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET}, got;
  int ep = NEED(epoll_create1(0));
  CALL(epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &e));
  CALL(epoll_wait(ep, &got, 1, 100));
  say("events %x", got.events);
  CALL(epoll_wait(ep, &got, 1, 20));
  CALL(write(p.client, "x", 1));
  CALL(epoll_wait(ep, &got, 1, 100));
  say("events %x", got.events);
  CALL(epoll_wait(ep, &got, 1, 20));
  CALL(write(p.client, "x", 1));
  CALL(epoll_wait(ep, &got, 1, 100));
  CALL(shutdown(p.client, SHUT_WR));
  CALL(epoll_wait(ep, &got, 1, 100));
  say("events %x", got.events);
  CALL(close(p.client));
}
CASE(backlog_is_bounded) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a);
  CALL(listen(l, 1));
  int done = 0;
  int c[6];
  for (int i = 0; i < 6; i++) {
    c[i] = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect(c[i], (void *)&a, sizeof a);
  }
  sleep_ms(50);
  for (int i = 0; i < 6; i++) {
    struct pollfd p = {.fd = c[i], .events = POLLOUT};
    if (poll(&p, 1, 0) == 1) done++;
  }
  VAL(done);
}
