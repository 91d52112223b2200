// SPDX-License-Identifier: Apache-2.0
// For the sandbox only: random ptrace requests on processes that fork, exec, thread, fault and signal. `fuzz_ptrace SEED COUNT`.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRACEES = 6 };
static unsigned long long state;
static unsigned next(void) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return state >> 33;
}
static void *thread(void *unused) {
  for (int i = 0; i < 50; i++) getppid();
  return unused;
}
static void tracee(unsigned seed) {
  state = seed;
  alarm(20);
  signal(SIGUSR1, SIG_IGN);
  for (int i = 0; i < 400; i++) {
    pthread_t id;
    switch (next() % 8) {
      case 0: if (fork() == 0) _exit(3); break;
      case 1: if (vfork() == 0) { execl("/bin/true", "true", (char *)0); _exit(1); } break;
      case 2: if (pthread_create(&id, 0, thread, 0) == 0) pthread_join(id, 0); break;
      case 3: raise(next() % 2 ? SIGUSR1 : SIGCONT); break;
      case 4: usleep(next() % 2000); break;
      case 5: raise(SIGSTOP); break;
      case 6: ptrace(PTRACE_TRACEME, 0, 0, 0); break;
      default: for (int k = 0; k < 20; k++) getpid();
    }
    while (waitpid(-1, 0, WNOHANG) > 0) {}
  }
  _exit(0);
}
static const int requests[] = {PTRACE_PEEKTEXT, PTRACE_PEEKUSER, PTRACE_POKETEXT, PTRACE_POKEUSER, PTRACE_CONT, PTRACE_KILL, PTRACE_SINGLESTEP, PTRACE_GETREGS,
  PTRACE_SETREGS, PTRACE_GETFPREGS, PTRACE_SETFPREGS, PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SYSCALL, PTRACE_SETOPTIONS, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO,
  PTRACE_SETSIGINFO, PTRACE_GETREGSET, PTRACE_SETREGSET, PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_LISTEN, PTRACE_PEEKSIGINFO, PTRACE_GETSIGMASK, PTRACE_SETSIGMASK,
  31 /* SYSEMU */, 32 /* SYSEMU_SINGLESTEP */, PTRACE_GET_SYSCALL_INFO, 0x4210, 0x420f, 30 /* ARCH_PRCTL */, 12345};
static char *arena;
static unsigned long word(void) {
  static const unsigned long odd[] = {0, 1, 2, 4, 5, 7, 8, 9, 11, 17, 19, 0x80, 0x202, 0x100000, 0x1fffff, -1ul, 1ul << 47, 0x8000000000000000ul, 216, 848, 912, 4096};
  switch (next() % 4) {
    case 0: return odd[next() % (sizeof odd / sizeof *odd)];
    case 1: return (unsigned long)arena + next() % 8192;
    case 2: return next() % 64;
    default: return (unsigned long)next() << (next() % 33);
  }
}
int main(int argc, char **argv) {
  unsigned seed = atoi(argv[1]);
  int count = atoi(argv[2]);
  struct rlimit few = {400, 400};
  setrlimit(RLIMIT_NPROC, &few);
  arena = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  state = seed;
  pid_t pids[TRACEES] = {0};
  struct iovec *vec = (void *)(arena + 4096);
  for (int i = 0; i < count; i++) {
    int k = next() % TRACEES;
    if (pids[k] == 0 && (pids[k] = fork()) == 0) tracee(seed * 7919 + i);
    if (next() % 3 == 0) *(unsigned long *)(arena + next() % 8184) = word();
    vec->iov_base = arena, vec->iov_len = next() % 5000;
    pid_t pid = next() % 12 == 0 ? (pid_t)word() : pids[k];
    if (pid == getpid() || pid == 1) continue;
    ptrace(requests[next() % (sizeof requests / sizeof *requests)], pid, word(), next() % 3 ? word() : (unsigned long)vec);
    if (next() % 4 == 0) kill(pids[k], next() % 2 ? SIGCONT : next() % 3 ? SIGUSR1 : SIGSTOP);
    int status;
    for (pid_t w; (w = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
      if (WIFSTOPPED(status)) {
        if (next() % 2) ptrace(next() % 2 ? PTRACE_CONT : PTRACE_SYSCALL, w, 0, next() % 3 ? 0 : next() % 70);
        continue;
      }
      for (int j = 0; j < TRACEES; j++) if (pids[j] == w) pids[j] = 0;
    }
  }
  for (int j = 0; j < TRACEES; j++) if (pids[j] > 0) kill(pids[j], SIGKILL);
  puts("end");
  return 0;
}
