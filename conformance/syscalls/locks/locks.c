// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/file.h>

static int lock_(int fd, int cmd, int type, off_t start, off_t len) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  return fcntl(fd, cmd, &l);
}
static void show_lock(int fd, int cmd, int type, off_t start, off_t len) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  if (fcntl(fd, cmd, &l) < 0) { say("getlk: %s", errno_name(errno)); return; }
  if (l.l_type == F_UNLCK) say("free");
  else say("%s %ld+%ld pid %s", l.l_type == F_RDLCK ? "read" : "write", (long)l.l_start, (long)l.l_len, l.l_pid == -1 ? "-1" : l.l_pid == getppid() ? "parent" : "other");
}

CASE(posix_lock_conflict) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  CALL(lock_(fd, F_SETLK, F_WRLCK, 0, 10));
  CALL(lock_(fd, F_SETLK, F_RDLCK, 20, 10));
  CHILD(int o = open("f", O_RDWR);
    CALL(lock_(o, F_SETLK, F_WRLCK, 5, 1)); CALL(lock_(o, F_SETLK, F_RDLCK, 9, 1)); CALL(lock_(o, F_SETLK, F_WRLCK, 10, 10));
    CALL(lock_(o, F_SETLK, F_RDLCK, 25, 0)); CALL(lock_(o, F_SETLK, F_WRLCK, 25, 1));
    show_lock(o, F_GETLK, F_WRLCK, 0, 0); show_lock(o, F_GETLK, F_WRLCK, 22, 1); show_lock(o, F_GETLK, F_RDLCK, 22, 1); show_lock(o, F_GETLK, F_WRLCK, 40, 0));
  CALL(lock_(fd, F_SETLK, F_UNLCK, 3, 4));
  CHILD(int o = open("f", O_RDWR); show_lock(o, F_GETLK, F_WRLCK, 0, 0); show_lock(o, F_GETLK, F_WRLCK, 3, 4); show_lock(o, F_GETLK, F_WRLCK, 7, 0));
}
CASE(posix_lock_errors) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600)), r = NEED(open("f", O_RDONLY)), w = NEED(open("f", O_WRONLY));
  CALL(lock_(r, F_SETLK, F_WRLCK, 0, 0));
  CALL(lock_(w, F_SETLK, F_RDLCK, 0, 0));
  CALL(lock_(fd, F_SETLK, 9, 0, 0));
  CALL(lock_(fd, F_SETLK, F_WRLCK, -1, 0));
  CALL(lock_(fd, F_SETLK, F_WRLCK, 10, -20));
  CALL(lock_(fd, F_SETLK, F_WRLCK, 10, -5));
  CALL(lock_(999, F_SETLK, F_WRLCK, 0, 0));
  CALL(fcntl(fd, F_SETLK, NULL));
  CALL(fcntl(fd, F_GETLK, BAD_POINTER));
  struct flock l = {.l_type = F_WRLCK, .l_whence = 77};
  CALL(fcntl(fd, F_SETLK, &l));
  l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LONG_MAX, .l_len = 10};
  CALL(fcntl(fd, F_SETLK, &l));
  CALL(fcntl(fd, 9999));
}
CASE(posix_lock_close_drops_all) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  NEED(lock_(fd, F_SETLK, F_WRLCK, 0, 0));
  close(NEED(open("f", O_RDONLY)));
  CHILD(int o = open("f", O_RDWR); show_lock(o, F_GETLK, F_WRLCK, 0, 0));
}
CASE(posix_lock_not_inherited) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  NEED(lock_(fd, F_SETLK, F_WRLCK, 0, 0));
  CHILD(CALL(lock_(fd, F_SETLK, F_WRLCK, 0, 0)); close(fd));
  CHILD(int o = open("f", O_RDWR); show_lock(o, F_GETLK, F_WRLCK, 0, 0));
}
CASE(posix_lock_wait) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600)), p[2];
  NEED(pipe(p));
  NEED(lock_(fd, F_SETLK, F_WRLCK, 0, 0));
  pid_t c = fork();
  if (c == 0) {
    int o = open("f", O_RDWR);
    write(p[1], "x", 1);
    say("child: %d", lock_(o, F_SETLKW, F_WRLCK, 0, 0));
    _exit(0);
  }
  char b;
  read(p[0], &b, 1);
  sleep_ms(60);
  say("parent unlocks");
  NEED(lock_(fd, F_SETLK, F_UNLCK, 0, 0));
  report_end("child", c);
}
static void nothing(int s) {}
CASE(posix_lock_wait_interrupted) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  NEED(lock_(fd, F_SETLK, F_WRLCK, 0, 0));
  CHILD(int o = open("f", O_RDWR); struct sigaction a = {.sa_handler = nothing}; sigaction(SIGALRM, &a, 0);
    struct itimerval t = {{0, 0}, {0, 50000}}; setitimer(ITIMER_REAL, &t, 0); CALL(lock_(o, F_SETLKW, F_WRLCK, 0, 0)));
}
CASE(posix_lock_deadlock) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600)), p[2];
  NEED(pipe(p));
  NEED(lock_(fd, F_SETLK, F_WRLCK, 0, 1));
  pid_t c = fork();
  if (c == 0) {
    int o = open("f", O_RDWR);
    NEED(lock_(o, F_SETLK, F_WRLCK, 1, 1));
    write(p[1], "x", 1);
    lock_(o, F_SETLKW, F_WRLCK, 0, 1);
    _exit(0);
  }
  char b;
  read(p[0], &b, 1);
  sleep_ms(80);
  CALL(lock_(fd, F_SETLKW, F_WRLCK, 1, 1));
  NEED(lock_(fd, F_SETLK, F_UNLCK, 0, 0));
  report_end("child", c);
}
CASE(flock_conflict) {
  int a = NEED(open("f", O_CREAT | O_RDWR, 0600)), b = NEED(open("f", O_RDONLY)), d = NEED(dup(a));
  CALL(flock(a, LOCK_SH));
  CALL(flock(b, LOCK_SH | LOCK_NB));
  CALL(flock(b, LOCK_EX | LOCK_NB));
  CALL(flock(a, LOCK_UN));
  CALL(flock(b, LOCK_EX | LOCK_NB));
  CALL(flock(a, LOCK_SH | LOCK_NB));
  CALL(flock(b, LOCK_SH));
  CALL(flock(a, LOCK_SH | LOCK_NB));
  close(a);
  CALL(flock(b, LOCK_EX | LOCK_NB));
  close(d);
  CALL(flock(b, LOCK_EX | LOCK_NB));
  CALL(flock(b, 0));
  CALL(flock(b, 77));
  CALL(flock(999, LOCK_SH));
  CHILD(CALL(flock(b, LOCK_EX | LOCK_NB)); int o = open("f", O_RDONLY); CALL(flock(o, LOCK_SH | LOCK_NB)));
}
CASE(flock_wait) {
  int a = NEED(open("f", O_CREAT | O_RDWR, 0600)), p[2];
  NEED(pipe(p));
  NEED(flock(a, LOCK_EX));
  pid_t c = fork();
  if (c == 0) {
    int o = open("f", O_RDWR);
    write(p[1], "x", 1);
    say("child: %d", flock(o, LOCK_EX));
    _exit(0);
  }
  char b;
  read(p[0], &b, 1);
  sleep_ms(60);
  say("parent unlocks");
  NEED(flock(a, LOCK_UN));
  report_end("child", c);
}
CASE(flock_and_posix_are_apart) {
  int a = NEED(open("f", O_CREAT | O_RDWR, 0600));
  NEED(flock(a, LOCK_EX));
  CHILD(int o = open("f", O_RDWR); CALL(lock_(o, F_SETLK, F_WRLCK, 0, 0)));
}
CASE(ofd_locks) {
  int a = NEED(open("f", O_CREAT | O_RDWR, 0600)), b = NEED(open("f", O_RDWR));
  CALL(lock_(a, F_OFD_SETLK, F_WRLCK, 0, 10));
  CALL(lock_(b, F_OFD_SETLK, F_WRLCK, 5, 1));
  CALL(lock_(b, F_OFD_SETLK, F_WRLCK, 10, 1));
  show_lock(b, F_OFD_GETLK, F_WRLCK, 0, 0);
  CALL(lock_(b, F_SETLK, F_WRLCK, 0, 1));
  close(NEED(open("f", O_RDONLY)));
  CALL(lock_(b, F_OFD_SETLK, F_WRLCK, 5, 1));
  int d = NEED(dup(a));
  close(a);
  CALL(lock_(b, F_OFD_SETLK, F_WRLCK, 5, 1));
  close(d);
  CALL(lock_(b, F_OFD_SETLK, F_WRLCK, 5, 1));
  struct flock l = {.l_type = F_WRLCK, .l_pid = 5};
  CALL(fcntl(b, F_OFD_SETLK, &l));
}
CASE(lockf_calls) {
  int a = NEED(open("f", O_CREAT | O_RDWR, 0600));
  NEED(write(a, "0123456789", 10));
  NEED(lseek(a, 2, SEEK_SET));
  CALL(lockf(a, F_TLOCK, 3));
  CHILD(int o = open("f", O_RDWR); show_lock(o, F_GETLK, F_WRLCK, 0, 0); lseek(o, 3, SEEK_SET); CALL(lockf(o, F_TEST, 1)); CALL(lockf(o, F_TLOCK, 1)));
  CALL(lockf(a, F_ULOCK, 0));
}
CASE(lock_released_on_exit) {
  int p[2];
  NEED(pipe(p));
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  pid_t c = fork();
  if (c == 0) {
    int o = open("f", O_RDWR);
    lock_(o, F_SETLK, F_WRLCK, 0, 0);
    write(p[1], "x", 1);
    pause();
  }
  char b;
  read(p[0], &b, 1);
  CALL(lock_(fd, F_SETLK, F_WRLCK, 0, 0));
  kill(c, SIGKILL);
  report_end("child", c);
  CALL(lock_(fd, F_SETLK, F_WRLCK, 0, 0));
}

static volatile int leases_broken, broken_code;
static void on_break(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  leases_broken++;
  broken_code = info->si_code;
}
// Leases: who may have one, who is told, and what an open in the way does.
CASE(leases) {
  make_file("f", "text", 0644);
  struct sigaction sa = {.sa_sigaction = on_break, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGIO, &sa, 0);
  sigaction(SIGUSR1, &sa, 0);
  int ro = NEED(open("f", O_RDONLY));
  int rw = NEED(open("f", O_RDWR));
  CALL(fcntl(ro, F_GETLEASE));
  CALL(fcntl(ro, F_SETLEASE, F_UNLCK));
  CALL(fcntl(ro, F_SETLEASE, 7));
  CALL(fcntl(ro, F_SETLEASE, F_RDLCK));
  CALL(fcntl(ro, F_SETLEASE, F_WRLCK));
  close(rw);
  CALL(fcntl(ro, F_SETLEASE, F_RDLCK));
  CALL(fcntl(ro, F_GETLEASE));
  int other = NEED(open("f", O_RDONLY));
  CALL(fcntl(ro, F_SETLEASE, F_WRLCK));
  CALL(open("f", O_WRONLY | O_NONBLOCK));
  VAL(leases_broken);
  CALL(broken_code == SI_KERNEL);
  CALL(fcntl(ro, F_GETLEASE));
  CALL(open("f", O_WRONLY | O_NONBLOCK));
  VAL(leases_broken);
  CALL(fcntl(ro, F_SETLEASE, F_UNLCK));
  CALL(open("f", O_WRONLY | O_NONBLOCK) >= 0);
  close(other);
  close(ro);
  make_file("g", "text", 0644);
  rw = NEED(open("g", O_RDWR));
  CALL(fcntl(rw, F_SETSIG, SIGUSR1));
  CALL(fcntl(rw, F_SETLEASE, F_WRLCK));
  pid_t child = NEED(fork());
  if (child == 0) {
    int fd = open("g", O_RDONLY);
    if (fd < 0 || close(fd) != 0 || open("g", O_RDWR | O_TRUNC) < 0 || truncate("g", 2) != 0) _exit(1);
    _exit(0);
  }
  while (leases_broken < 2) sleep_ms(5);
  VAL(broken_code);
  CALL(fcntl(rw, F_GETLEASE));
  CALL(fcntl(rw, F_SETLEASE, F_RDLCK));
  CALL(fcntl(rw, F_SETLEASE, F_UNLCK));
  report_end("child", child);
  become(1000);
  CALL(fcntl(rw, F_SETLEASE, F_RDLCK));
  int dir = NEED(open(".", O_RDONLY));
  CALL(fcntl(dir, F_SETLEASE, F_RDLCK));
}
