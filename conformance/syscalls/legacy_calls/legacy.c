// SPDX-License-Identifier: Apache-2.0
// The old numbers that glibc no longer uses, called directly.
#include "case.h"
#include <sys/select.h>
#include <utime.h>

struct old_entry { unsigned long ino, off; unsigned short len; char name[]; };

CASE(old_open_creat) {
  char b[8] = {0};
  int fd = OK(syscall(SYS_open, "f", O_CREAT | O_RDWR, 0640));
  CALL(write(fd, "abc", 3));
  CALL(syscall(SYS_open, "f", O_CREAT | O_EXCL, 0600));
  CALL(syscall(SYS_open, "none", O_RDONLY));
  fd = OK(syscall(SYS_creat, "f", 0600));
  CALL(lseek(fd, 0, SEEK_END));
}
CASE(old_stat_family) {
  struct stat st;
  make_file("f", "hello", 0640);
  NEED(symlink("f", "l"));
  CALL(syscall(SYS_stat, "l", &st));
  VAL(st.st_size);
  CALL(syscall(SYS_lstat, "l", &st));
  OCT(st.st_mode & S_IFMT);
  CALL(syscall(SYS_lstat, "none", &st));
  CALL(syscall(SYS_fstat, NEED(open("f", O_RDONLY)), &st));
  OCT(st.st_mode);
}
CASE(old_names) {
  struct stat st;
  char b[16];
  CALL(syscall(SYS_mkdir, "d", 0755));
  CALL(syscall(SYS_mknod, "f", S_IFREG | 0644, 0));
  CALL(syscall(SYS_link, "f", "g"));
  CALL(syscall(SYS_symlink, "g", "s"));
  CALL(syscall(SYS_readlink, "s", b, 16));
  CALL(syscall(SYS_rename, "g", "d/g"));
  CALL(syscall(SYS_chmod, "d/g", 0600));
  CALL(syscall(SYS_chown, "d/g", 1, 2));
  CALL(syscall(SYS_lchown, "s", 3, 4));
  CALL(syscall(SYS_access, "d/g", R_OK));
  CALL(syscall(SYS_faccessat, AT_FDCWD, "d/none", R_OK));
  CALL(syscall(SYS_unlink, "d/g"));
  CALL(syscall(SYS_rmdir, "d"));
  NEED(lstat("s", &st));
  VAL(st.st_uid);
}
CASE(old_times) {
  struct stat st;
  make_file("f", "x", 0600);
  struct utimbuf u = {1000, 2000};
  CALL(syscall(SYS_utime, "f", &u));
  NEED(stat("f", &st));
  VAL(st.st_mtim.tv_sec);
  struct timeval v[2] = {{3000, 5}, {4000, 999999}};
  CALL(syscall(SYS_utimes, "f", v));
  NEED(stat("f", &st));
  VAL(st.st_mtim.tv_nsec);
  CALL(syscall(SYS_futimesat, AT_FDCWD, "f", v));
  v[1].tv_usec = -1;
  CALL(syscall(SYS_utimes, "f", v));
  CALL(syscall(SYS_futimesat, AT_FDCWD, "f", v));
  CALL(syscall(SYS_utime, "none", &u));
  CALL(syscall(SYS_utime, "f", NULL));
}
CASE(old_descriptors) {
  int p[2];
  CALL(syscall(SYS_pipe, p));
  CALL(write(p[1], "x", 1));
  CALL(syscall(SYS_dup2, p[0], 70));
  OK(syscall(SYS_eventfd, 5));
  uint64_t v;
  CALL(read(71, &v, 8) == -1);
  unsigned long mask = 1ul << (SIGUSR1 - 1);
  OK(syscall(SYS_signalfd, -1, &mask, 8));
  OK(syscall(SYS_epoll_create, 1));
  CALL(syscall(SYS_epoll_create, 0));
  OK(syscall(SYS_inotify_init));
  fd_set r;
  FD_ZERO(&r);
  FD_SET(p[0], &r);
  struct timeval t = {0, 0};
  CALL(syscall(SYS_select, 20, &r, NULL, NULL, &t));
  struct pollfd f = {p[0], POLLIN};
  CALL(syscall(SYS_poll, &f, 1, 0));
}
CASE(old_getdents) {
  char b[1024];
  int n, count = 0;
  make_file("one", "", 0600);
  NEED(mkdir("two", 0700));
  int fd = NEED(open(".", O_RDONLY));
  while ((n = syscall(SYS_getdents, fd, b, sizeof b)) > 0)
    for (int at = 0; at < n;) {
      struct old_entry *e = (void *)(b + at);
      // The type is the record's last byte.
      if (e->name[0] != '.') say("%s %d", e->name[0] == 'o' ? "one" : "two", b[at + e->len - 1]), count++;
      at += e->len;
    }
  VAL(count);
  CALL(syscall(SYS_getdents, fd, BAD_POINTER, 1024));
  NEED(lseek(fd, 0, SEEK_SET));
  CALL(syscall(SYS_getdents, fd, b, 5));
}
CASE(old_processes) {
  int s;
  pid_t c = syscall(SYS_fork);
  if (c == 0) _exit(3);
  report_end("fork", c);
  struct rlimit r;
  CALL(syscall(SYS_getrlimit, RLIMIT_NOFILE, &r));
  CALL(syscall(SYS_setrlimit, RLIMIT_NOFILE, &r));
  struct timespec t = {0, 1000000}, bad = {0, -1};
  CALL(syscall(SYS_nanosleep, &t, NULL));
  CALL(syscall(SYS_nanosleep, &bad, NULL));
  VAL(syscall(SYS_getpgrp) == getpid());
  VAL(syscall(SYS_alarm, 0) > 0);
  CALL(syscall(SYS_time, NULL) > 0);
}
CASE(old_ids) {
  CALL(syscall(SYS_setreuid, -1, 5));
  CALL(syscall(SYS_setregid, -1, 5));
  CALL(syscall(SYS_geteuid));
  CALL(syscall(SYS_setgid, 7));
  CALL(syscall(SYS_setuid, 7));
}
