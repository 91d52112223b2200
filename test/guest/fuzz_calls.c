// SPDX-License-Identifier: Apache-2.0
// For the sandbox only: every system call with random arguments, as root, in children that may die of it.
// Usage: fuzz_calls SEED CHILDREN CALLS. Prints "end" when the last child is gone.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;
static char *memory;
static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}
static uint64_t argument(void) {
  static const uint64_t edges[] = {0, 1, 2, 3, 4, 7, 8, 16, 64, 255, 256, 4095, 4096, 4097, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe, 0xffffffffffffff9c, 0xffff800000000000, 0x7ffffffff000, 0xfffffffffffff000, 1ull << 47, 1ull << 53};
  switch (next() % 8) {
    case 0: return next();
    case 1: return edges[next() % (sizeof edges / sizeof *edges)];
    case 2: return next() % 32;                                        // descriptors, signals, small flags
    case 3: return 1ull << next() % 40;                                // one flag
    case 4: return (uint64_t)memory + next() % 65536;                  // anywhere in valid memory
    case 5: return (uint64_t)memory + 65536 - next() % 16;             // across its end
    default: return (uint64_t)memory + next() % 16 * 4096;
  }
}
// Paths, addresses, iovecs and numbers, so that some calls get past their first checks.
static void fill_memory(void) {
  static const char *const paths[] = {"/tmp", "/tmp/f", "f", ".", "..", "/proc/self/status", "/proc/self/fd/3", "/dev/null", "/dev/shm/x", "/", "d", "d/f", "l", "/sys/devices", "/dev/ptmx", "/proc/self/mem", "tmpfs", "proc", "user.a", "\1\0/tmp/sock"};
  for (int i = 0; i < 16; i++) {
    char *page = memory + i * 4096;
    for (int j = 0; j < 512; j++) ((uint64_t *)page)[j] = next() % 3 == 0 ? argument() : next() % 64;
    if (i < 10) strcpy(page, paths[next() % (sizeof paths / sizeof *paths)]);
  }
}
static void open_things(void) {
  int p[2];
  open("f", O_CREAT | O_RDWR, 0600), open("/tmp", O_RDONLY), pipe2(p, O_NONBLOCK), socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
  eventfd(0, EFD_NONBLOCK), timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), epoll_create1(0), open("/dev/ptmx", O_RDWR), open("/dev/zero", O_RDWR), open("/proc/self/status", O_RDONLY);
  mkdir("d", 0755), symlink("f", "l");
}
// Calls that are likely to sleep until the alarm: rarely made, so that the others get their turn.
static int waits(long n) {
  static const short list[] = {SYS_pause, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_select, SYS_pselect6, SYS_poll, SYS_ppoll, SYS_epoll_wait, SYS_epoll_pwait, 441, SYS_futex, 449, SYS_nanosleep, SYS_clock_nanosleep, SYS_wait4, SYS_waitid, SYS_flock, SYS_rt_sigreturn, SYS_execve, SYS_execveat, SYS_munmap, SYS_mmap, SYS_brk, SYS_mprotect, SYS_mremap, SYS_arch_prctl, SYS_alarm, SYS_setitimer, SYS_close_range, SYS_seccomp, SYS_setrlimit, SYS_prlimit64, SYS_prctl, SYS_tkill, SYS_tgkill, SYS_kill, SYS_chroot, SYS_restart_syscall, SYS_msgrcv, SYS_semop, SYS_semtimedop, SYS_mq_timedreceive, SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg, SYS_accept, SYS_accept4, SYS_ptrace, SYS_setuid, SYS_setresuid, SYS_setreuid, SYS_rt_sigprocmask, SYS_madvise, SYS_remap_file_pages};
  for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
    if (list[i] == n) return 1;
  return 0;
}
static void child(long calls) {
  memory = mmap((void *)0x200000000000, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  open_things();
  alarm(3);
  for (long i = 0; i < calls; i++) {
    if (i % 64 == 0) {
      memory = mmap((void *)0x200000000000, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      if (memory == MAP_FAILED) _exit(1);
      fill_memory();
    }
    long n = next() % 470;
    if (n == SYS_exit || n == SYS_exit_group || n == SYS_reboot) continue;
    if (n == SYS_fork || n == SYS_vfork || n == SYS_clone || n == SYS_clone3) { if (next() % 8) continue; }
    if (waits(n) && next() % 32) continue;
    // Not the whole container's end: other processes are not its business.
    uint64_t a = argument();
    if ((n == SYS_kill || n == SYS_tkill || n == SYS_tgkill || n == SYS_rt_sigqueueinfo || n == SYS_rt_tgsigqueueinfo) && (int)a <= 1) continue;
    syscall(n, a, argument(), argument(), argument(), argument(), argument());
  }
  _exit(0);
}
int main(int argc, char **argv) {
  long children = atol(argv[2]), calls = atol(argv[3]);
  chdir("/tmp");
  signal(SIGHUP, SIG_IGN);
  for (long i = 0; i < children; i++) {
    state = 0x9e3779b97f4a7c15ull * (atol(argv[1]) * 1000 + i + 1);
    char directory[32];
    sprintf(directory, "/tmp/fuzz%ld", i);
    mkdir(directory, 0755);
    pid_t c = fork();
    if (c == 0) {
      chdir(directory);
      setsid();
      for (int s = 1; s < 65; s++) signal(s, SIG_DFL);
      child(calls);
    }
    // It may have blocked SIGALRM.
    int status;
    for (int tries = 0; waitpid(c, &status, WNOHANG) == 0; tries++) {
      if (tries == 400) kill(c, SIGKILL);
      usleep(10000);
    }
    kill(-c, SIGKILL);
  }
  write(1, "end\n", 4);
  return 0;
}
