// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

CASE(eventfd_counter) {
  uint64_t v = 5, r;
  int fd = OK(eventfd(3, EFD_NONBLOCK));
  CALL(read(fd, &r, 8));
  VAL(r);
  CALL(read(fd, &r, 8));
  CALL(write(fd, &v, 8));
  CALL(write(fd, &v, 8));
  CALL(read(fd, &r, 8));
  VAL(r);
  v = -1;
  CALL(write(fd, &v, 8));
  v = -2;
  CALL(write(fd, &v, 8));
  v = 1;
  CALL(write(fd, &v, 8));
  CALL(read(fd, &r, 8));
  say("%lx", r);
  CALL(read(fd, &r, 4));
  CALL(write(fd, &v, 4));
  CALL(write(fd, &v, 16));
  CALL(write(fd, BAD_POINTER, 8));
  CALL(eventfd(0, 0x1234));
  CALL(lseek(fd, 0, SEEK_SET));
}
CASE(eventfd_semaphore) {
  uint64_t r;
  int fd = OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));
  CALL(read(fd, &r, 8));
  VAL(r);
  CALL(read(fd, &r, 8));
  CALL(read(fd, &r, 8));
}
CASE(eventfd_blocks) {
  uint64_t r;
  int fd = NEED(eventfd(0, 0));
  if (fork() == 0) { sleep_ms(30); eventfd_write(fd, 9); _exit(0); }
  CALL(read(fd, &r, 8));
  VAL(r);
  struct pollfd p = {fd, POLLIN | POLLOUT};
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  NEED(eventfd_write(fd, -2));
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
}
CASE(timerfd_basic) {
  uint64_t r = 0;
  struct itimerspec t = {{0, 0}, {0, 20000000}}, o;
  int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
  CALL(timerfd_settime(fd, 0, &t, &o));
  CALL(read(fd, &r, 8));
  VAL(r);
  CALL(timerfd_gettime(fd, &o));
  VAL(o.it_value.tv_nsec);
  t = (struct itimerspec){{0, 10000000}, {0, 10000000}};
  CALL(timerfd_settime(fd, 0, &t, NULL));
  sleep_ms(55);
  CALL(read(fd, &r, 8));
  YES(r >= 4 && r <= 20);
  CALL(timerfd_gettime(fd, &o));
  VAL(o.it_interval.tv_nsec);
  t = (struct itimerspec){0};
  CALL(timerfd_settime(fd, 0, &t, &o));
  YES(o.it_value.tv_nsec > 0);
  NEED(fcntl(fd, F_SETFL, O_NONBLOCK));
  CALL(read(fd, &r, 8));
}
CASE(timerfd_absolute) {
  uint64_t r;
  struct timespec now;
  int fd = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  clock_gettime(CLOCK_REALTIME, &now);
  struct itimerspec t = {{0, 0}, {now.tv_sec - 10, 0}};
  CALL(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL));
  struct pollfd p = {fd, POLLIN};
  CALL(poll(&p, 1, 1000));
  CALL(read(fd, &r, 8));
  VAL(r);
  CALL(read(fd, &r, 8));
}
CASE(timerfd_errors) {
  struct itimerspec t = {0}, bad = {{0, 0}, {0, 1000000000}}, bad2 = {{0, 0}, {-1, 0}};
  uint64_t r;
  CALL(timerfd_create(99, 0));
  CALL(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
  CALL(timerfd_create(CLOCK_MONOTONIC, 0x4));
  int fd = NEED(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  CALL(timerfd_settime(fd, 0, &bad, NULL));
  CALL(timerfd_settime(fd, 0, &bad2, NULL));
  CALL(timerfd_settime(fd, 0x10, &t, NULL));
  CALL(timerfd_settime(fd, 0, NULL, NULL));
  CALL(timerfd_settime(0, 0, &t, NULL));
  CALL(timerfd_settime(999, 0, &t, NULL));
  CALL(timerfd_gettime(0, &t));
  CALL(read(fd, &r, 4));
  CALL(write(fd, &r, 8));
}
CASE(signalfd_basic) {
  struct signalfd_siginfo i[2];
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR1);
  sigaddset(&m, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &m, 0);
  int fd = OK(signalfd(-1, &m, SFD_NONBLOCK | SFD_CLOEXEC));
  CALL(read(fd, i, sizeof i));
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 42});
  sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 43});
  struct pollfd p = {fd, POLLIN};
  CALL(poll(&p, 1, 0));
  CALL(read(fd, i, sizeof i));
  VAL(i[0].ssi_signo);
  VAL(i[0].ssi_code);
  YES(i[0].ssi_pid == getpid());
  VAL(i[1].ssi_signo);
  VAL(i[1].ssi_code);
  VAL(i[1].ssi_int);
  CALL(read(fd, i, sizeof i));
  VAL(i[0].ssi_int);
  CALL(read(fd, i, sizeof i));
  CALL(read(fd, i, 10));
  sigemptyset(&m);
  sigaddset(&m, SIGUSR2);
  CALL(signalfd(fd, &m, 0) == fd);
  CALL(signalfd(0, &m, 0));
  CALL(signalfd(999, &m, 0));
  CALL(signalfd(-1, &m, 0x40));
  CALL(syscall(SYS_signalfd4, -1, &m, 7, 0));
  CALL(syscall(SYS_signalfd4, -1, BAD_POINTER, 8, 0));
}
CASE(signalfd_child_and_block) {
  struct signalfd_siginfo i;
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGCHLD);
  sigprocmask(SIG_BLOCK, &m, 0);
  int fd = NEED(signalfd(-1, &m, 0));
  pid_t c = fork();
  if (c == 0) { sleep_ms(20); _exit(5); }
  CALL(read(fd, &i, sizeof i));
  YES(i.ssi_pid == c);
  VAL(i.ssi_status);
  VAL(i.ssi_code);
  report_end("child", c);
}
