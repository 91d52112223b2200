// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/ioctl.h>

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

struct pidfd_information {
  uint64_t mask, cgroup;
  uint32_t pid, tgid, ppid, ids[8];
  int32_t exit_code;
  uint32_t more[16];
};

static struct pidfd_information ask(int fd, unsigned size, uint64_t mask) {
  struct pidfd_information info;
  memset(&info, 0xee, sizeof info);
  info.mask = mask;
  CALL(ioctl(fd, _IOC(3, 0xff, 11, size), &info));
  return info;
}

CASE(pidfd_get_info) {
  int fd = NEED(syscall(SYS_pidfd_open, getpid(), 0));
  struct pidfd_information info = ask(fd, 64, 0);
  VAL(info.mask & ~4);
  YES(info.pid == getpid() && info.tgid == getpid() && info.ppid == getppid());
  for (int i = 0; i < 8; i++) VAL(info.ids[i]);
  YES(info.more[0] == 0xeeeeeeee);
  info = ask(fd, 128, 0x10);
  VAL(info.mask & ~4);
  VAL(info.more[0]);
  VAL(info.more[4]);
  ask(fd, 60, 0);
  CALL(ioctl(fd, _IOC(3, 0xff, 11, 64), BAD_POINTER));
  CALL(ioctl(fd, _IO(0xff, 40), 0));
  pid_t child = fork();
  if (child == 0) _exit(5);
  int of_child = NEED(syscall(SYS_pidfd_open, child, 0));
  siginfo_t ended;
  waitid(P_PID, child, &ended, WEXITED | WNOWAIT);
  info = ask(of_child, 64, 8);
  VAL(info.mask & ~4);
  YES(info.pid == child);
  CALL(ioctl(of_child, _IO(0xff, 3), 0));
  waitpid(child, 0, 0);
  ask(of_child, 64, 3);
  info = ask(of_child, 64, 8);
  VAL(info.mask & ~4);
  VAL(info.exit_code);
  VAL(info.pid);
  CALL(ioctl(of_child, _IO(0xff, 3), 0));
}

CASE(pidfd_namespaces) {
  int fd = NEED(syscall(SYS_pidfd_open, getpid(), 0));
  static const char *names[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"};
  for (int i = 1; i <= 10; i++) {
    char path[64], by_pidfd[64] = "", by_proc[64] = "";
    int opened = OK(ioctl(fd, _IO(0xff, i), 0));
    VAL(fcntl(opened, F_GETFD));
    sprintf(path, "/proc/self/fd/%d", opened);
    readlink(path, by_pidfd, 63);
    sprintf(path, "/proc/self/ns/%s", names[i - 1]);
    readlink(path, by_proc, 63);
    say("%s: %s", names[i - 1], strcmp(by_pidfd, by_proc) ? "differs" : "same");
  }
  CALL(ioctl(fd, _IO(0xff, 1), 1));
  CALL(ioctl(fd, _IO(0xff, 0), 0));
}
