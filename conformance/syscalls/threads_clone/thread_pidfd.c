// SPDX-License-Identifier: Apache-2.0
#include "case.h"

#define PIDFD_THREAD O_EXCL
static volatile pid_t tid;
static volatile int got, ending;
static volatile pid_t got_by;
static void handler(int s) { got_by = syscall(SYS_gettid), got = s; }
static void *lives(void *a) {
  tid = syscall(SYS_gettid);
  while (!ending) sleep_ms(2);
  return a;
}
static int ready(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0) == 1 ? p.revents : 0;
}
static long send_to(int fd, int s, unsigned f) { return syscall(SYS_pidfd_send_signal, fd, s, NULL, f); }

CASE(pidfd_of_thread) {
  pthread_t t;
  signal(SIGUSR1, handler);
  pthread_create(&t, 0, lives, 0);
  while (!tid) sleep_ms(2);
  CALL(syscall(SYS_pidfd_open, tid, 0));
  CALL(syscall(SYS_pidfd_open, tid, 0x1000));
  int fd = OK(syscall(SYS_pidfd_open, tid, PIDFD_THREAD));
  VAL(ready(fd));
  CALL(send_to(fd, SIGUSR1, 0));
  while (!got) sleep_ms(2);
  YES(got_by == tid);
  got = 0;
  CALL(send_to(fd, SIGUSR1, 1));
  while (!got) sleep_ms(2);
  YES(got_by == tid);
  CALL(send_to(fd, 0, 2));
  CALL(send_to(fd, 0, 3));
  CALL(send_to(fd, 0, 8));
  int self = OK(syscall(SYS_pidfd_open, getpid(), 0));
  got = 0;
  CALL(send_to(self, SIGUSR1, 1));
  while (!got) sleep_ms(2);
  YES(got_by == getpid());
  ending = 1;
  pthread_join(t, 0);
  struct pollfd p = {fd, POLLIN, 0};
  CALL(poll(&p, 1, 5000));
  YES(p.revents & POLLIN);
  CALL(send_to(fd, 0, 0));
  VAL(ready(self));
}
