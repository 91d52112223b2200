// SPDX-License-Identifier: Apache-2.0
// Every kind of file with every other: what may be copied into what, and how it is refused.
#include "case.h"
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

struct kind {
  const char *name;
  int fd, other;
};
enum { KINDS = 18 };
static struct kind kinds[KINDS];
static int count;
static void add(const char *name, int fd, int other) { kinds[count++] = (struct kind){name, fd, other}; }

static void open_all(int for_reading) {
  int p[2];
  count = 0;
  make_file("regular", "0123456789abcdef", 0644);
  add("regular", NEED(open("regular", O_RDWR)), -1);
  add("append", NEED(open("regular", O_RDWR | O_APPEND)), -1);
  add("read-only", NEED(open("regular", O_RDONLY)), -1);
  add("write-only", NEED(open("regular", O_WRONLY)), -1);
  add("directory", NEED(open(".", O_RDONLY)), -1);
  add("path", NEED(open("regular", O_PATH)), -1);
  NEED(pipe2(p, O_NONBLOCK));
  if (for_reading) write(p[1], "from a pipe", 11);
  add("pipe", for_reading ? p[0] : p[1], for_reading ? p[1] : p[0]);
  add("pipe, wrong end", for_reading ? p[1] : p[0], for_reading ? p[0] : p[1]);
  NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
  write(p[1], "from a stream", 13);
  add("stream", p[0], p[1]);
  NEED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p));
  write(p[1], "from a datagram", 15);
  add("datagram", p[0], p[1]);
  NEED(openpty(&p[0], &p[1], NULL, NULL, NULL));
  fcntl(p[1], F_SETFL, O_NONBLOCK);
  add("tty", p[1], p[0]);
  add("eventfd", NEED(eventfd(5, EFD_NONBLOCK)), -1);
  add("timerfd", NEED(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), -1);
  add("epoll", NEED(epoll_create1(0)), -1);
  add("inotify", NEED(inotify_init1(IN_NONBLOCK)), -1);
  add("/dev/null", NEED(open("/dev/null", O_RDWR)), -1);
  add("/dev/zero", NEED(open("/dev/zero", O_RDWR)), -1);
  add("memfd", NEED(memfd_create("m", 0)), -1);
  NEED(write(kinds[count - 1].fd, "in memory", 9)), lseek(kinds[count - 1].fd, 0, SEEK_SET);
}
static void close_all(void) {
  for (int i = 0; i < count; i++) {
    close(kinds[i].fd);
    if (kinds[i].other >= 0) close(kinds[i].other);
  }
}
static const char *outcome(long n) {
  static char text[32];
  if (n < 0) return errno_name(errno);
  sprintf(text, "%ld", n);
  return text;
}
CASE(splice_from_every_kind) {
  for (int i = 0; i < KINDS; i++) {
    open_all(1);
    int p[2];
    NEED(pipe(p));
    const char *name = kinds[i].name;
    say("%s to pipe: %s", name, outcome(splice(kinds[i].fd, NULL, p[1], NULL, 5, SPLICE_F_NONBLOCK)));
    loff_t at = 3;
    say("%s at 3 to pipe: %s", name, outcome(splice(kinds[i].fd, &at, p[1], NULL, 5, SPLICE_F_NONBLOCK)));
    say("  now %ld, position %ld", (long)at, (long)lseek(kinds[i].fd, 0, SEEK_CUR));
    close(p[0]), close(p[1]);
    close_all();
  }
}
CASE(splice_to_every_kind) {
  for (int i = 0; i < KINDS; i++) {
    open_all(0);
    int p[2];
    NEED(pipe(p));
    NEED(write(p[1], "ABCDEFGHIJKLMNOP", 16));
    const char *name = kinds[i].name;
    say("pipe to %s: %s", name, outcome(splice(p[0], NULL, kinds[i].fd, NULL, 8, SPLICE_F_NONBLOCK)));
    loff_t at = 3;
    say("pipe to %s at 3: %s", name, outcome(splice(p[0], NULL, kinds[i].fd, &at, 8, SPLICE_F_NONBLOCK)));
    say("  now %ld, position %ld", (long)at, (long)lseek(kinds[i].fd, 0, SEEK_CUR));
    close(p[0]), close(p[1]);
    close_all();
  }
}
static void matrix(const char *what, long (*copy)(int in, int out)) {
  for (int i = 0; i < KINDS; i++) {
    char line[512] = "";
    open_all(1);
    struct kind in = kinds[i];
    open_all(0);
    for (int j = 0; j < KINDS; j++) {
      strcat(line, " ");
      strcat(line, outcome(copy(in.fd, kinds[j].fd)));
    }
    for (int fd = 3; fd < 96; fd++) close(fd);
    say("%s from %s:%s", what, kinds[i].name, line);
  }
}
static long by_sendfile(int in, int out) { return sendfile(out, in, NULL, 6); }
CASE(sendfile_matrix) { matrix("sendfile", by_sendfile); }
static long by_sendfile_at(int in, int out) {
  off_t at = 2;
  long n = sendfile(out, in, &at, 6);
  return n < 0 ? n : n * 100 + at;
}
CASE(sendfile_offset_matrix) { matrix("sendfile at", by_sendfile_at); }
static long by_range(int in, int out) { return copy_file_range(in, NULL, out, NULL, 6, 0); }
CASE(copy_file_range_matrix) { matrix("copy_file_range", by_range); }
static long by_tee(int in, int out) { return tee(in, out, 6, SPLICE_F_NONBLOCK); }
CASE(tee_matrix) { matrix("tee", by_tee); }
CASE(vmsplice_to_every_kind) {
  for (int i = 0; i < KINDS; i++) {
    char buf[8] = "1234567";
    struct iovec v = {buf, 7};
    open_all(1);
    say("vmsplice %s: %s", kinds[i].name, outcome(vmsplice(kinds[i].fd, &v, 1, SPLICE_F_NONBLOCK)));
    close_all();
    open_all(0);
    say("vmsplice %s: %s", kinds[i].name, outcome(vmsplice(kinds[i].fd, &v, 1, SPLICE_F_NONBLOCK)));
    close_all();
  }
}
CASE(splice_more_arguments) {
  int p[2], q[2];
  NEED(pipe(p)), NEED(pipe(q));
  make_file("f", "0123456789", 0644);
  int fd = open("f", O_RDWR), ap = open("f", O_WRONLY | O_APPEND);
  loff_t at = -1;
  CALL(splice(fd, &at, p[1], NULL, 5, 0));
  CALL(splice(fd, BAD_POINTER, p[1], NULL, 5, 0));
  CALL(splice(fd, NULL, p[1], NULL, 0, 0));
  CALL(splice(fd, NULL, p[1], NULL, 5, 0x100));
  CALL(splice(-1, NULL, p[1], NULL, 5, 0));
  CALL(splice(p[0], NULL, p[1], NULL, 5, 0));
  CALL(splice(fd, NULL, ap, NULL, 5, 0));
  write(p[1], "xyz", 3);
  CALL(splice(p[0], NULL, ap, NULL, 5, 0));
  CALL(splice(p[0], NULL, q[1], NULL, 5, SPLICE_F_NONBLOCK));
  at = 0x7fffffffffffffff;
  CALL(splice(fd, &at, p[1], NULL, 5, 0));
  close(p[1]);
  CALL(splice(p[0], NULL, fd, NULL, 5, 0));
  close(q[0]);
  signal(SIGPIPE, SIG_IGN);
  CALL(splice(fd, NULL, q[1], NULL, 5, 0));
  CALL(copy_file_range(fd, NULL, fd, NULL, 5, 1));
  at = 0;
  loff_t to = 2;
  CALL(copy_file_range(fd, &at, fd, &to, 5, 0));
  to = 100;
  CALL(copy_file_range(fd, &at, fd, &to, 5, 0));
  say("%ld %ld", (long)at, (long)to);
  to = -1;
  CALL(copy_file_range(fd, &at, fd, &to, 5, 0));
  CALL(copy_file_range(fd, BAD_POINTER, fd, &to, 5, 0));
  off_t from = -1;
  CALL(sendfile(fd, fd, &from, 5));
  CALL(sendfile(fd, fd, BAD_POINTER, 5));
  CALL(sendfile(ap, fd, NULL, 5));
}
