// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <grp.h>
#include <sys/fsuid.h>

static void show_ids(void) {
  uid_t r, e, s;
  gid_t rg, eg, sg;
  getresuid(&r, &e, &s);
  getresgid(&rg, &eg, &sg);
  say("uid %d %d %d gid %d %d %d", r, e, s, rg, eg, sg);
}
CASE(ids_initial) {
  show_ids();
  VAL(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0);
  CALL(syscall(SYS_getresuid, BAD_POINTER, BAD_POINTER, BAD_POINTER));
  CALL(syscall(SYS_getresgid, BAD_POINTER, BAD_POINTER, BAD_POINTER));
}
CASE(setuid_root) {
  CALL(setuid(100));
  show_ids();
  CALL(setuid(0));
  CALL(setuid(100));
  CALL(setgid(5));
  CALL(setgroups(0, NULL));
}
CASE(setreuid_rules) {
  CALL(setreuid(10, 20));
  show_ids();
  CALL(setreuid(20, 10));
  show_ids();
  CALL(setreuid(-1, 20));
  show_ids();
  CALL(setreuid(30, -1));
  CALL(setreuid(-1, 0));
}
CASE(setresuid_rules) {
  CALL(setresuid(10, 20, 30));
  show_ids();
  CALL(setresuid(-1, 30, -1));
  show_ids();
  CALL(setresuid(20, -1, -1));
  CALL(setresuid(30, 10, 10));
  show_ids();
  CALL(setresuid(0, -1, -1));
}
CASE(setresgid_rules) {
  CALL(setresgid(10, 20, 30));
  show_ids();
  CALL(setregid(-1, 0));
  NEED(setresuid(1, 1, 1));
  CALL(setresgid(-1, 30, -1));
  CALL(setregid(5, 5));
}
CASE(seteuid_and_back) {
  make_file("f", "x", 0600);
  CALL(seteuid(1234));
  CALL(open("f", O_RDONLY));
  CALL(seteuid(0));
  OK(open("f", O_RDONLY));
}
CASE(setfsuid_rules) {
  make_file("f", "x", 0600);
  VAL(setfsuid(1234));
  VAL(setfsuid(-1));
  CALL(open("f", O_RDONLY));
  VAL(setfsuid(0));
  OK(open("f", O_RDONLY));
  VAL(setfsgid(77));
  VAL(setfsgid(-1));
  int fd = NEED(open("g", O_CREAT | O_RDWR, 0600));
  struct stat st;
  NEED(fstat(fd, &st));
  VAL(st.st_gid);
}
CASE(groups) {
  gid_t g[8] = {7, 5, 9}, got[8];
  CALL(setgroups(3, g));
  CALL(getgroups(0, NULL));
  CALL(getgroups(8, got));
  say("%d %d %d", got[0], got[1], got[2]);
  CALL(getgroups(1, got));
  CALL(getgroups(-1, got));
  CALL(getgroups(8, BAD_POINTER));
  CALL(setgroups(65537, g));
  CALL(setgroups(1, BAD_POINTER));
  make_file("f", "x", 0040);
  NEED(chown("f", 1, 9));
  NEED(setresgid(100, 100, 100));
  NEED(setresuid(100, 100, 100));
  OK(open("f", O_RDONLY));
  CALL(open("f", O_WRONLY));
}
CASE(group_and_other_bits) {
  make_file("f", "x", 0604);
  NEED(chown("f", 1, 200));
  NEED(setgroups(0, NULL));
  NEED(setresgid(200, 200, 200));
  NEED(setresuid(300, 300, 300));
  CALL(open("f", O_RDONLY));
  NEED(access("/", F_OK));
}
CASE(owner_bits_win) {
  make_file("f", "x", 0077);
  NEED(chown("f", 300, 300));
  become(300);
  CALL(open("f", O_RDONLY));
  CALL(access("f", X_OK));
  CALL(chmod("f", 0400));
  OK(open("f", O_RDONLY));
}
CASE(new_file_owner) {
  struct stat st;
  NEED(mkdir("d", 0777));
  NEED(chmod("d", 0777));
  NEED(setresgid(200, 201, 202));
  NEED(setresuid(300, 301, 302));
  NEED(open("d/f", O_CREAT | O_RDWR, 0600));
  NEED(stat("d/f", &st));
  VAL(st.st_uid);
  VAL(st.st_gid);
  NEED(mkdir("d/e", 0700));
  NEED(stat("d/e", &st));
  VAL(st.st_uid);
  NEED(symlink("x", "d/l"));
  NEED(lstat("d/l", &st));
  VAL(st.st_gid);
}
CASE(sessions_and_groups) {
  YES(getpgrp() == getpid());
  YES(getpgid(0) == getpgrp());
  YES(getsid(0) != getpid());
  CALL(setsid());
  CALL(getpgid(-1));
  CALL(getsid(99999999));
  CALL(setpgid(-1, 0));
  CALL(setpgid(0, -1));
  CALL(setpgid(99999999, 0));
  int p[2];
  NEED(pipe(p));
  pid_t c = fork();
  if (c == 0) {
    YES(getpgrp() == getppid());
    YES(setsid() == getpid());
    YES(getsid(0) == getpid() && getpgrp() == getpid());
    CALL(setpgid(0, 0));
    write(p[1], "x", 1);
    pause();
  }
  char b;
  read(p[0], &b, 1);
  CALL(setpgid(c, getpid()));
  YES(getsid(c) == c);
  kill(c, SIGKILL);
  report_end("child", c);
  c = fork();
  if (c == 0) pause();
  CALL(setpgid(c, c));
  YES(getpgid(c) == c);
  CALL(setpgid(c, 99999999));
  CALL(setpgid(c, 0));
  CALL(kill(-c, SIGTERM));
  report_end("child", c);
  CALL(setpgid(c, c));
}
CASE(priority) {
  CALL(getpriority(PRIO_PROCESS, 0));
  CALL(setpriority(PRIO_PROCESS, 0, 5));
  CALL(getpriority(PRIO_PROCESS, 0));
  CALL(setpriority(PRIO_PROCESS, 0, 100));
  CALL(getpriority(PRIO_PROCESS, 0));
  CALL(getpriority(99, 0));
  CALL(getpriority(PRIO_PROCESS, 99999999));
  CALL(nice(-1));
  become(1234);
  CALL(setpriority(PRIO_PROCESS, 0, 0));
  CALL(setpriority(PRIO_PROCESS, getppid(), 19));
}
CASE(kill_permission) {
  int p[2];
  NEED(pipe(p));
  pid_t c = fork();
  if (c == 0) {
    NEED(setresuid(1, 1, 1));
    write(p[1], "x", 1);
    pause();
  }
  char b;
  read(p[0], &b, 1);
  CHILD(NEED(setresuid(2, 2, 2)); CALL(kill(c, 0)); CALL(kill(c, SIGKILL)));
  CHILD(NEED(setresuid(1, 1, 1)); CALL(kill(c, 0)));
  CHILD(NEED(setresuid(1, 5, 5)); CALL(kill(c, SIGKILL)));
  report_end("victim", c);
}
CASE(set_id_program) {
  // A set-user-id program gets its owner's ids; nosuid places are not tested here.
  char path[512] = {0}, copy[] = "suid";
  int in = NEED(open("/proc/self/exe", O_RDONLY)), out = NEED(open(copy, O_CREAT | O_WRONLY, 0755));
  char *b = malloc(1 << 20);
  ssize_t n;
  while ((n = read(in, b, 1 << 20)) > 0) NEED(write(out, b, n));
  NEED(fchown(out, 77, 78));
  NEED(fchmod(out, 06755));
  close(out);
  struct stat st;
  NEED(stat(copy, &st));
  OCT(st.st_mode);
  VAL(st.st_uid);
}

// Whether a new file in a foreign set-gid directory may be set-gid is decided before the umask takes the execute bit.
CASE(setgid_file_with_umask) {
  NEED(mkdir("d", 0777));
  NEED(chown("d", 12345, 54321));
  NEED(chmod("d", 02777));
  CHILD({
    become(12345);
    for (int mask = 0; mask <= 010; mask += 010) {
      umask(mask);
      struct stat st;
      int fd = OK(open("d/f", O_CREAT | O_EXCL | O_RDWR, 02777));
      NEED(fstat(fd, &st));
      OCT(st.st_mode);
      VAL(st.st_gid);
      close(fd);
      NEED(unlink("d/f"));
      NEED(mknod("d/n", S_IFIFO | 02777, 0));
      NEED(stat("d/n", &st));
      OCT(st.st_mode);
      NEED(unlink("d/n"));
    }
  });
}
