// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/un.h>
#include <sys/ioctl.h>

static socklen_t name(struct sockaddr_un *a, const char *path) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  strcpy(a->sun_path, path);
  return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}
static int bound(int type, const char *path) {
  struct sockaddr_un a;
  int s = NEED(socket(AF_UNIX, type, 0));
  socklen_t n = name(&a, path);
  NEED(bind(s, (void *)&a, n));
  return s;
}
#define CONNECT(s, path) ({ struct sockaddr_un a_; socklen_t n_ = name(&a_, path); connect(s, (void *)&a_, n_); })

CASE(socket_errors) {
  CALL(socket(AF_UNIX, 99, 0));
  CALL(socket(999, SOCK_STREAM, 0));
  CALL(socket(AF_UNIX, SOCK_STREAM, 5));
  CALL(socket(-1, SOCK_STREAM, 0));
  CALL(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
  int s = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  OCT(fcntl(s, F_GETFL));
  VAL(fcntl(s, F_GETFD));
  struct stat st;
  NEED(fstat(s, &st));
  OCT(st.st_mode);
  char b[4];
  CALL(read(s, b, 4));
  CALL(send(s, b, 4, MSG_NOSIGNAL));
  CALL(listen(s, 5));
  CALL(accept(s, 0, 0));
  CALL(shutdown(s, SHUT_RD));
  CALL(lseek(s, 0, SEEK_SET));
  CALL(pread(s, b, 1, 0));
  CALL(bind(0, (void *)b, 4));
  CALL(listen(999, 1));
  CALL(connect(s, BAD_POINTER, 20));
}
CASE(stream_connect) {
  int l = bound(SOCK_STREAM, "sock"), c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  struct stat st;
  char b[32] = {0};
  NEED(stat("sock", &st));
  OCT(st.st_mode);
  CALL(CONNECT(c, "sock"));
  CALL(listen(l, 5));
  CALL(CONNECT(c, "none"));
  CALL(CONNECT(c, "sock"));
  CALL(CONNECT(c, "sock"));
  CALL(write(c, "early", 5));
  struct sockaddr_un a;
  socklen_t n = sizeof a;
  int s = OK(accept(l, (void *)&a, &n));
  VAL(n);
  VAL(a.sun_family);
  CALL(read(s, b, 32));
  STR(b);
  n = sizeof a;
  CALL(getsockname(s, (void *)&a, &n));
  VAL(n);
  STR(a.sun_path);
  n = sizeof a;
  CALL(getpeername(c, (void *)&a, &n));
  STR(a.sun_path);
  n = sizeof a;
  CALL(getsockname(c, (void *)&a, &n));
  VAL(n);
  CALL(write(s, "back", 4));
  CALL(read(c, b, 4));
  close(s);
  CALL(read(c, b, 4));
  CALL(send(c, "x", 1, MSG_NOSIGNAL));
  CALL(accept(c, 0, 0));
  NEED(fcntl(l, F_SETFL, O_NONBLOCK));
  CALL(accept(l, 0, 0));
  CALL(accept4(l, 0, 0, 0x1234));
}
CASE(bind_errors) {
  struct sockaddr_un a;
  int s = bound(SOCK_STREAM, "sock"), t = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  CALL(bind(t, (void *)&a, name(&a, "sock")));
  CALL(bind(t, (void *)&a, name(&a, "none/sock")));
  CALL(bind(s, (void *)&a, name(&a, "other")));
  CALL(bind(t, (void *)&a, 1));
  CALL(bind(t, (void *)&a, 500));
  a.sun_family = AF_INET;
  CALL(bind(t, (void *)&a, 20));
  make_file("f", "x", 0600);
  CALL(bind(t, (void *)&a, name(&a, "f")));
  CALL(CONNECT(t, "f"));
  CALL(CONNECT(t, "sock"));
  NEED(unlink("sock"));
  CALL(CONNECT(t, "sock"));
}
CASE(abstract_names) {
  struct sockaddr_un a = {AF_UNIX, "\0conformance-abstract"};
  socklen_t n = 2 + 21, g = sizeof a;
  int s = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  CALL(bind(s, (void *)&a, n));
  CALL(bind(c, (void *)&a, n));
  NEED(listen(s, 1));
  CALL(connect(c, (void *)&a, n));
  struct sockaddr_un b;
  CALL(getpeername(c, (void *)&b, &g));
  VAL(g);
  BYTES(b.sun_path, 21);
  close(s);
  int d = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  CALL(connect(d, (void *)&a, n));
  sa_family_t only = AF_UNIX;
  CALL(bind(d, (void *)&only, 2));
  g = sizeof b;
  CALL(getsockname(d, (void *)&b, &g));
  VAL(g);
}
CASE(datagrams) {
  int r = bound(SOCK_DGRAM, "r"), s = bound(SOCK_DGRAM, "s");
  struct sockaddr_un a;
  char b[16] = {0};
  socklen_t n = name(&a, "r");
  CALL(sendto(s, "hello", 5, 0, (void *)&a, n));
  CALL(sendto(s, "", 0, 0, (void *)&a, n));
  CALL(sendto(s, "world", 5, 0, (void *)&a, n));
  n = sizeof a;
  CALL(recvfrom(r, b, 3, 0, (void *)&a, &n));
  STR(a.sun_path);
  CALL(recv(r, b, 16, 0));
  CALL(recv(r, b, 16, MSG_PEEK));
  CALL(recv(r, b, 2, MSG_TRUNC));
  CALL(recv(r, b, 16, MSG_DONTWAIT));
  CALL(send(s, "x", 1, 0));
  CALL(CONNECT(s, "r"));
  CALL(send(s, "x", 1, 0));
  CALL(listen(s, 1));
  CALL(CONNECT(r, "none"));
  close(r);
  CALL(send(s, "x", 1, 0));
  CALL(CONNECT(s, "r"));
}
CASE(stream_to_dgram) {
  int d = bound(SOCK_DGRAM, "d"), s = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  CALL(CONNECT(s, "d"));
}
CASE(seqpacket_connect) {
  int l = bound(SOCK_SEQPACKET, "q"), c = NEED(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  char b[8];
  NEED(listen(l, 1));
  CALL(CONNECT(c, "q"));
  int s = OK(accept(l, 0, 0));
  CALL(write(c, "one", 3));
  CALL(write(c, "three", 5));
  CALL(read(s, b, 2));
  CALL(read(s, b, 8));
  CALL(close(c));
  CALL(read(s, b, 8));
}
CASE(backlog_and_nonblock) {
  int l = bound(SOCK_STREAM, "sock");
  NEED(listen(l, 0));
  int ok = 0, last = 0;
  for (int i = 0; i < 5; i++) {
    int c = NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (CONNECT(c, "sock") == 0) ok++; else last = errno;
  }
  VAL(ok);
  say("%s", errno_name(last));
}
CASE(poll_listener) {
  int l = bound(SOCK_STREAM, "sock"), c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  struct pollfd p = {l, POLLIN | POLLOUT}, q = {c, POLLIN | POLLOUT};
  CALL(poll(&q, 1, 0));
  say("%x", q.revents);
  NEED(listen(l, 1));
  CALL(poll(&p, 1, 0));
  CONNECT(c, "sock");
  CALL(poll(&p, 1, 0));
  say("%x", p.revents);
  CALL(poll(&q, 1, 0));
  say("%x", q.revents);
  int s = accept(l, 0, 0);
  close(s);
  CALL(poll(&q, 1, 0));
  say("%x", q.revents);
}
CASE(accept_blocks_until_connect) {
  int l = bound(SOCK_STREAM, "sock");
  NEED(listen(l, 1));
  pid_t k = fork();
  if (k == 0) { sleep_ms(40); int c = socket(AF_UNIX, SOCK_STREAM, 0); CONNECT(c, "sock"); write(c, "hi", 2); char b[4]; read(c, b, 4); _exit(0); }
  int s = OK(accept(l, 0, 0));
  char b[4] = {0};
  CALL(read(s, b, 4));
  STR(b);
  close(s);
  report_end("client", k);
}
CASE(socket_options) {
  int s = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), v = 0;
  socklen_t n = sizeof v;
  CALL(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
  VAL(v);
  CALL(getsockopt(s, SOL_SOCKET, SO_DOMAIN, &v, &n));
  VAL(v);
  CALL(getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &v, &n));
  VAL(v);
  CALL(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &n));
  VAL(v);
  CALL(getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
  VAL(v);
  CALL(getsockopt(s, SOL_SOCKET, 9999, &v, &n));
  CALL(getsockopt(s, 777, 1, &v, &n));
  CALL(setsockopt(s, SOL_SOCKET, 9999, &v, sizeof v));
  v = 1;
  CALL(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &v, sizeof v));
  CALL(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, sizeof v));
  CALL(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, 1));
  v = 16384;
  CALL(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
  CALL(getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &n));
  VAL(v);
  struct timeval t = {0, 30000};
  CALL(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  CALL(getsockopt(999, SOL_SOCKET, SO_TYPE, &v, &n));
  CALL(getsockopt(0, SOL_SOCKET, SO_TYPE, &v, &n));
  CALL(getsockopt(s, SOL_SOCKET, SO_TYPE, BAD_POINTER, &n));
  n = -1;
  CALL(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
}
CASE(permission_of_socket_file) {
  int l = bound(SOCK_STREAM, "sock");
  NEED(listen(l, 4));
  NEED(chmod("sock", 0700));
  become(1234);
  int c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  CALL(CONNECT(c, "sock"));
}

/* How much fits, and how much again after some was read, follows from the packets Linux makes of a write. */
CASE(stream_fill) {
  static char buf[200000];
  static const int sizes[] = {1, 100, 4096, 10000, 36545, 49152, 65536, 100000, 200000};
  for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    int s[2], writes = 0, last = 0, charged = 0;
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
    for (int n; (n = write(s[0], buf, sizes[k])) > 0; writes++) last = n;
    ioctl(s[0], TIOCOUTQ, &charged);
    printf("%d: %d writes, last %d, charged %d;", sizes[k], writes, last, charged);
    for (int i = 0; i < 5; i++) {
      int got = read(s[1], buf, 50000);
      ioctl(s[0], TIOCOUTQ, &charged);
      printf(" %d %d %d", got, charged, (int)write(s[0], buf, 70000));
    }
    puts("");
    close(s[0]), close(s[1]);
  }
}

/* Many wait to accept: each connection is for one of them, and none is forgotten. */
CASE(many_accept) {
  int s = bound(SOCK_STREAM, "many"), clients[6];
  NEED(listen(s, 16));
  for (int i = 0; i < 6; i++)
    if (fork() == 0) {
      int c = accept(s, 0, 0);
      _exit(c < 0 || write(c, "x", 1) != 1);
    }
  for (int round = 0; round < 2; round++) {
    if (round == 1) usleep(50000);
    for (int i = round * 3; i < round * 3 + 3; i++) {
      clients[i] = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
      CALL(CONNECT(clients[i], "many"));
    }
  }
  for (int i = 0; i < 6; i++) {
    char b;
    VAL(read(clients[i], &b, 1));
  }
  for (int i = 0, status; i < 6; i++) {
    NEED(wait(&status));
    VAL(WEXITSTATUS(status));
  }
}
