// SPDX-License-Identifier: Apache-2.0
// System calls with random numbers and arguments: `attack_calls SEED CALLS`. The same seed makes the same calls.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;
static uint64_t rnd(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static char *arena;
#define ARENA 65536

static uint64_t argument(void) {
  static const uint64_t special[] = {0, 1, 2, 7, 8, 64, 4095, 4096, 65536, 1u << 31, 0xffffffff, 0x7fffffffffffffff, ~0ul, 0x8000000000000000, 0x7ffffffff000, 0x7fffffffb000, 0xffffffffff600000, 1ul << 40, 0xffff800000000000, ~0ul - 99, ~0ul - 4094};
  switch (rnd() % 10) {
    case 0: case 1: return rnd() % 24;                          // descriptors, small numbers
    case 2: case 3: case 4: return (uint64_t)arena + rnd() % ARENA; // pointers
    case 5: return (uint64_t)arena + ARENA - rnd() % 32;        // at the edge of nothing
    case 6: return special[rnd() % (sizeof special / sizeof *special)];
    case 7: return 1ul << (rnd() % 64);
    case 8: return rnd() & 0xffff;
    default: return rnd();
  }
}

/** Fills memory with what system calls like to find there. */
static void scribble(void) {
  for (int i = 0; i < 64; i++) {
    uint64_t *p = (uint64_t *)(arena + (rnd() % (ARENA - 64)) / 8 * 8);
    switch (rnd() % 6) {
      case 0: p[0] = argument(); p[1] = argument(); break;
      case 1: strcpy((char *)p, "/tmp/fuzz/a"); break;
      case 2: strcpy((char *)p, "/proc/self/maps"); break;
      case 3: p[0] = (uint64_t)arena + rnd() % ARENA; p[1] = rnd() % 8192; break; // iovec
      case 4: strcpy((char *)p, "../../dev/null"); break;
      default: p[0] = rnd();
    }
  }
}

static int banned(long nr) {
  switch (nr) {
    case SYS_exit: case SYS_exit_group: case SYS_pause: case SYS_rt_sigsuspend: case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3:
    case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo: case SYS_rt_sigreturn: case SYS_reboot: case SYS_setrlimit: case SYS_prlimit64:
    case SYS_munmap: case SYS_mprotect: case SYS_mremap: case SYS_rt_sigtimedwait: case SYS_alarm: case SYS_setitimer: case SYS_rt_sigprocmask: case SYS_rt_sigaction:
      return 1;
  }
  return 0;
}

static void die(int s) { _exit(100 + s); }
static void interrupt(int s) { (void)s; }

static void one(uint64_t seed, int calls, int allow_all) {
  state = seed * 0x9e3779b97f4a7c15ul + 1;
  arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int p[2];
  (void)!pipe2(p, O_NONBLOCK);
  eventfd(0, EFD_NONBLOCK);
  epoll_create1(0);
  timerfd_create(1, TFD_NONBLOCK);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
  socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  open("/tmp/fuzz", O_RDONLY | O_DIRECTORY);
  open("/tmp/fuzz/a", O_RDWR | O_CREAT | O_NONBLOCK, 0600);
  open("/proc/self/maps", O_RDONLY);
  open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  memfd_create("m", MFD_ALLOW_SEALING);
  for (int i = 1; i < 32; i++) if (i != SIGKILL && i != SIGSTOP && i != SIGCHLD) signal(i, die);
  struct sigaction sa = {.sa_handler = interrupt};
  sigaction(SIGALRM, &sa, NULL);
  // What blocks is interrupted, again and again.
  struct itimerval often = {{0, 20000}, {0, 20000}};
  setitimer(ITIMER_REAL, &often, NULL);
  for (int i = 0; i < calls; i++) {
    if (i % 16 == 0) scribble();
    long nr = (long)(rnd() % 470);
    if (rnd() % 64 == 0) nr = (long)rnd();
    uint64_t a = argument(), b = argument(), c = argument(), d = argument(), e = argument(), f = argument();
    if (!allow_all && banned(nr)) continue;
    if ((nr == SYS_dup2 || nr == SYS_dup3) && b < 3) continue;
    if (nr == SYS_close && a < 3) continue;
    if (nr == SYS_close_range) continue;
    syscall(nr, a, b, c, d, e, f);
  }
  _exit(0);
}

int main(int argc, char **argv) {
  uint64_t first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
  int seeds = argc > 2 ? atoi(argv[2]) : 10, calls = argc > 3 ? atoi(argv[3]) : 2000, allow_all = argc > 4;
  int null = open("/dev/null", O_RDWR);
  mkdir("/tmp/fuzz", 0700);
  for (int i = 0; i < seeds; i++) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
      dup2(null, 0); dup2(null, 1); dup2(null, 2);
      setsid();
      one(first + (uint64_t)i, calls, allow_all);
    }
    int status = 0, waited = 0;
    // It may have stopped itself, or blocked its alarm.
    while (waitpid(pid, &status, WNOHANG) == 0 && waited++ < 1000) usleep(10000);
    if (waited > 1000) { kill(pid, SIGKILL); kill(pid, SIGCONT); waitpid(pid, &status, 0); }
    printf("seed %lu ended\n", (unsigned long)(first + (uint64_t)i));
    fflush(stdout);
    while (waitpid(-1, &status, WNOHANG) > 0) {}
  }
  printf("all ended\n");
  return 0;
}
