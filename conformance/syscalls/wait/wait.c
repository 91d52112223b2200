// SPDX-License-Identifier: Apache-2.0
#include "case.h"

CASE(wait_errors) {
  int s;
  CALL(wait(&s));
  CALL(waitpid(1 << 30, &s, 0));
  CALL(waitpid(-1, &s, 0x100));
  CALL(waitpid(INT_MIN, &s, 0));
  siginfo_t i;
  CALL(waitid(P_ALL, 0, &i, WEXITED));
  CALL(waitid(P_ALL, 0, &i, 0));
  CALL(waitid(99, 0, &i, WEXITED));
  CALL(waitid(P_PID, 0, &i, WEXITED));
  pid_t c = fork();
  if (c == 0) _exit(0);
  sleep_ms(20);
  CALL(waitpid(c, BAD_POINTER, 0));
  CALL(waitpid(c, &s, 0));
}
CASE(wait_nohang) {
  int s = 77;
  pid_t c = fork();
  if (c == 0) { sleep_ms(50); _exit(3); }
  CALL(waitpid(c, &s, WNOHANG));
  VAL(s);
  YES(waitpid(-1, &s, 0) == c);
  VAL(WEXITSTATUS(s));
  CALL(waitpid(c, &s, WNOHANG));
}
CASE(wait_stop_continue) {
  int s, p[2];
  NEED(pipe(p));
  pid_t c = fork();
  if (c == 0) {
    char b;
    raise(SIGSTOP);
    read(p[0], &b, 1);
    _exit(4);
  }
  YES(waitpid(c, &s, WUNTRACED) == c);
  say("%d %s", WIFSTOPPED(s), signal_name(WSTOPSIG(s)));
  CALL(waitpid(c, &s, WUNTRACED | WNOHANG));
  kill(c, SIGCONT);
  YES(waitpid(c, &s, WCONTINUED) == c);
  VAL(WIFCONTINUED(s));
  write(p[1], "x", 1);
  report_end("child", c);
}
static void show_info(siginfo_t *i, pid_t c) {
  say("signo %s code %d status %d pid %s uid %d", i->si_signo ? signal_name(i->si_signo) : "0", i->si_code, i->si_status, i->si_pid == c ? "child" : i->si_pid == 0 ? "0" : "other", i->si_uid);
}
CASE(waitid_kinds) {
  siginfo_t i;
  pid_t c = fork();
  if (c == 0) _exit(5);
  CALL(waitid(P_PID, c, &i, WEXITED | WNOWAIT));
  show_info(&i, c);
  CALL(waitid(P_PID, c, &i, WEXITED));
  show_info(&i, c);
  CALL(waitid(P_PID, c, &i, WEXITED));
  c = fork();
  if (c == 0) for (;;) pause();
  memset(&i, 0xff, sizeof i);
  CALL(waitid(P_PID, c, &i, WEXITED | WNOHANG));
  show_info(&i, c);
  kill(c, SIGSTOP);
  CALL(waitid(P_PID, c, &i, WSTOPPED));
  show_info(&i, c);
  kill(c, SIGCONT);
  CALL(waitid(P_PID, c, &i, WCONTINUED));
  show_info(&i, c);
  kill(c, SIGKILL);
  CALL(waitid(P_ALL, 0, &i, WEXITED));
  show_info(&i, c);
  c = fork();
  if (c == 0) abort();
  CALL(waitid(P_PGID, getpgrp(), &i, WEXITED));
  VAL(i.si_status);
}
CASE(wait_process_group) {
  int s;
  pid_t a = fork();
  if (a == 0) { setpgid(0, 0); sleep_ms(60); _exit(1); }
  setpgid(a, a);
  pid_t b = fork();
  if (b == 0) _exit(2);
  YES(waitpid(0, &s, 0) == b);
  YES(waitpid(-a, &s, 0) == a);
  CALL(waitpid(-a, &s, 0));
}
CASE(wait_ignored_sigchld) {
  int s;
  signal(SIGCHLD, SIG_IGN);
  pid_t c = fork();
  if (c == 0) _exit(1);
  CALL(waitpid(c, &s, 0));
  struct sigaction a = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &a, 0);
  c = fork();
  if (c == 0) _exit(1);
  CALL(wait(&s));
}
static volatile int count;
static void on_child(int s) { count++; }
CASE(wait_sigchld_flags) {
  struct sigaction a = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
  int s;
  sigaction(SIGCHLD, &a, 0);
  pid_t c = fork();
  if (c == 0) { raise(SIGSTOP); _exit(0); }
  while (waitpid(c, &s, WUNTRACED) == -1) {}
  VAL(count);
  kill(c, SIGCONT);
  while (waitpid(c, &s, 0) == -1) {}
  sleep_ms(5);
  VAL(count);
}
CASE(wait_rusage) {
  struct rusage r;
  int s;
  pid_t c = fork();
  if (c == 0) {
    // Until the time was spent on a processor: a busy machine gives little of it in a given while.
    struct timespec used;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (used.tv_sec == 0 && used.tv_nsec < 30000000);
    _exit(0);
  }
  YES(wait4(c, &s, 0, &r) == c);
  YES(r.ru_utime.tv_usec + r.ru_stime.tv_usec > 10000);
  YES(r.ru_maxrss > 0);
  CALL(wait4(-1, &s, 0, &r));
}
CASE(wait_reaps_in_any_order) {
  pid_t c[5];
  int s, sum = 0;
  for (int i = 0; i < 5; i++)
    if ((c[i] = fork()) == 0) _exit(1 << i);
  for (int i = 4; i >= 0; i--) {
    waitpid(c[i], &s, 0);
    sum += WEXITSTATUS(s);
  }
  VAL(sum);
}
CASE(zombie_is_visible) {
  char path[64], b[512] = {0};
  pid_t c = fork();
  if (c == 0) _exit(0);
  siginfo_t ended;
  NEED(waitid(P_PID, c, &ended, WEXITED | WNOWAIT));
  CALL(kill(c, 0));
  CALL(kill(c, SIGKILL));
  sprintf(path, "/proc/%d/stat", c);
  int fd = NEED(open(path, O_RDONLY));
  read(fd, b, 511);
  say("state %c", strrchr(b, ')')[2]);
  report_end("child", c);
  CALL(kill(c, 0));
  CALL(open(path, O_RDONLY));
  CALL(read(fd, b, 10));
}
static void *exits(void *unused) { sleep_ms(30); syscall(SYS_exit, 9); return 0; }
CASE(exit_of_main_thread_only) {
  pid_t c = fork();
  if (c == 0) {
    pthread_t t;
    pthread_create(&t, 0, exits, 0);
    syscall(SYS_exit, 3);
  }
  long long start = now_ms();
  report_end("child", c);
  YES(now_ms() - start >= 20);
}
static void *exits_all(void *unused) { syscall(SYS_exit_group, 8); return 0; }
CASE(exit_group_from_thread) {
  CHILD(pthread_t t; pthread_create(&t, 0, exits_all, 0); for (;;) pause());
}
CASE(wait_for_thread_child) {
  // __WNOTHREAD, __WALL and __WCLONE are accepted.
  int s;
  pid_t c = fork();
  if (c == 0) _exit(0);
  CALL(waitpid(c, &s, __WCLONE));
  YES(waitpid(c, &s, __WALL) == c);
}
CASE(pidfd_basic) {
  siginfo_t i;
  pid_t c = fork();
  if (c == 0) { sleep_ms(30); _exit(6); }
  int fd = OK(syscall(SYS_pidfd_open, c, 0));
  VAL(fcntl(fd, F_GETFD));
  struct pollfd p = {fd, POLLIN};
  CALL(poll(&p, 1, 0));
  CALL(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
  CALL(poll(&p, 1, 2000));
  CALL(waitid(P_PIDFD, fd, &i, WEXITED));
  VAL(i.si_status);
  CALL(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
  CALL(syscall(SYS_pidfd_open, -1, 0));
  CALL(syscall(SYS_pidfd_open, 99999999, 0));
  CALL(syscall(SYS_pidfd_open, getpid(), 77));
  CALL(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));
}
