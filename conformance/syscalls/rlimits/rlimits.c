// SPDX-License-Identifier: Apache-2.0
#include "case.h"

CASE(rlimit_get_set) {
  struct rlimit r = {100, 200}, g;
  CALL(setrlimit(RLIMIT_NOFILE, &r));
  CALL(getrlimit(RLIMIT_NOFILE, &g));
  say("%ld %ld", g.rlim_cur, g.rlim_max);
  r.rlim_cur = 300;
  CALL(setrlimit(RLIMIT_NOFILE, &r));
  CALL(getrlimit(99, &g));
  CALL(setrlimit(99, &r));
  CALL(getrlimit(RLIMIT_NOFILE, BAD_POINTER));
  CALL(setrlimit(RLIMIT_NOFILE, BAD_POINTER));
  for (int i = 0; i < 16; i++) if (getrlimit(i, &g)) say("limit %d: %s", i, errno_name(errno));
  r = (struct rlimit){50, 150};
  CALL(prlimit(0, RLIMIT_NOFILE, &r, &g));
  say("%ld %ld", g.rlim_cur, g.rlim_max);
  CALL(prlimit(99999999, RLIMIT_NOFILE, &r, &g));
  CALL(prlimit(getpid(), RLIMIT_NOFILE, NULL, &g));
  say("%ld %ld", g.rlim_cur, g.rlim_max);
  become(1234);
  r = (struct rlimit){50, 160};
  CALL(setrlimit(RLIMIT_NOFILE, &r));
  r = (struct rlimit){150, 150};
  CALL(setrlimit(RLIMIT_NOFILE, &r));
  r = (struct rlimit){20, 30};
  CALL(setrlimit(RLIMIT_NOFILE, &r));
}
CASE(rlimit_nofile) {
  struct rlimit r = {12, 12};
  NEED(setrlimit(RLIMIT_NOFILE, &r));
  int n = 0, p[2];
  while (open("/dev/null", O_RDONLY) >= 0) n++;
  VAL(n);
  say("%s", errno_name(errno));
  CALL(dup(0));
  CALL(dup2(0, 12));
  CALL(dup2(0, 11));
  CALL(fcntl(0, F_DUPFD, 12));
  CALL(fcntl(0, F_DUPFD, 5));
  close(11);
  CALL(pipe(p));
  OK(open("/dev/null", O_RDONLY));
  CALL(socket(AF_UNIX, SOCK_STREAM, 0));
}
CASE(rlimit_nproc) {
  struct rlimit r = {3, 3};
  become(4321);
  NEED(setrlimit(RLIMIT_NPROC, &r));
  int n = 0;
  pid_t c[10];
  for (; n < 10; n++) {
    c[n] = fork();
    if (c[n] == 0) for (;;) pause();
    if (c[n] < 0) break;
  }
  VAL(n);
  say("%s", errno_name(errno));
  for (int i = 0; i < n; i++) kill(c[i], SIGKILL), waitpid(c[i], 0, 0);
}
CASE(rlimit_inherited) {
  struct rlimit r = {77, 88};
  NEED(setrlimit(RLIMIT_NOFILE, &r));
  CHILD(struct rlimit g; getrlimit(RLIMIT_NOFILE, &g); say("%ld %ld", g.rlim_cur, g.rlim_max));
  CHILD(execl("/bin/sh", "sh", "-c", "ulimit -n; ulimit -Hn", NULL));
}
CASE(rlimit_cpu) {
  struct rlimit r = {1, 2};
  CHILD(setrlimit(RLIMIT_CPU, &r); for (;;) {});
}
CASE(rlimit_core_and_fsize_signals) {
  struct rlimit r = {4, 4};
  CHILD(setrlimit(RLIMIT_FSIZE, &r); int fd = open("f", O_CREAT | O_RDWR, 0600); write(fd, "0123456789", 10); write(fd, "x", 1));
}
CASE(rlimit_sigpending) {
  struct rlimit r = {3, 3};
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &m, 0);
  NEED(setresuid(4322, 4322, 4322));
  NEED(setrlimit(RLIMIT_SIGPENDING, &r));
  for (int i = 0; i < 5; i++) CALL(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
}
