// SPDX-License-Identifier: Apache-2.0
// Processes that trace each other at random: fork, thread, exec, stop and die meanwhile. Ends with all of them gone.
// It sends signals to numbers it remembers, which may be somebody else's by then: it refuses to run outside a sandbox.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 24, TRACERS = 4, WORKERS = 5 };
static unsigned long seed;
static volatile int *pids;

static unsigned rnd(void) {
  seed = seed * 6364136223846793005ul + 1442695040888963407ul;
  return seed >> 33;
}
static pid_t remember(pid_t p) {
  if (p > 1) pids[rnd() % SLOTS] = p;
  return p;
}
static void nothing(int s) { (void)s; }

static void *thread(void *a) {
  for (int i = 0; i < 50; i++) syscall(SYS_getuid);
  if (rnd() % 4 == 0) execl("/proc/self/exe", "attack_ptrace", "leaf", NULL);
  return a;
}
static void work(int depth) {
  pthread_t t;
  pid_t c;
  for (int i = 0; i < 20; i++) {
    switch (rnd() % 12) {
      case 0: syscall(SYS_getppid); break;
      case 1:
        if (pthread_create(&t, 0, thread, 0) == 0) rnd() % 2 ? pthread_join(t, 0) : pthread_detach(t);
        break;
      case 2:
        if (depth >= 2) break;
        if ((c = fork()) == 0) { seed ^= getpid(); work(depth + 1); _exit(0); }
        remember(c);
        break;
      case 3:
        if ((c = vfork()) == 0) _exit(1);
        break;
      case 4: raise(SIGUSR1); break;
      case 5: raise(SIGSTOP); break;
      case 6: usleep(100); break;
      case 7: if (rnd() % 6 == 0) execl("/proc/self/exe", "attack_ptrace", "leaf", NULL); break;
      case 8: if (rnd() % 8 == 0) _exit(3); break;
      case 9: __asm__ volatile("int3"); break;
      case 10:
        if ((c = syscall(SYS_clone, (rnd() % 2 ? CLONE_PTRACE : CLONE_UNTRACED) | SIGCHLD, 0, 0, 0, 0)) == 0) _exit(2);
        break;
      default: waitpid(-1, 0, WNOHANG | __WALL);
    }
  }
}

static const long REQUESTS[] = {PTRACE_CONT, PTRACE_CONT, PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SYSCALL, PTRACE_SINGLESTEP, 31, 32, PTRACE_ATTACH,
  PTRACE_SEIZE, PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_LISTEN, PTRACE_DETACH, PTRACE_KILL, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_GETREGSET,
  PTRACE_SETREGSET, PTRACE_PEEKDATA, PTRACE_POKEDATA, PTRACE_PEEKUSER, PTRACE_POKEUSER, PTRACE_SETOPTIONS, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO,
  PTRACE_SETSIGINFO, PTRACE_GETFPREGS, PTRACE_SETFPREGS, 0x420e, 0x4209, 0x420a, 0x420b};

static void request(pid_t p) {
  static char buf[8192];
  struct iovec iov = {buf, rnd() % 4096};
  long r = rnd() % 12 == 0 ? (long)(0x4200 + rnd() % 20) : REQUESTS[rnd() % (sizeof REQUESTS / sizeof *REQUESTS)];
  unsigned long a = rnd() % 3 ? 0 : rnd() % 1024, d = rnd() % 3 ? 0 : rnd() % 2 ? rnd() % 70 : (unsigned long)buf;
  if (r == PTRACE_GETREGSET || r == PTRACE_SETREGSET) {
    a = (int[]){1, 2, 0x202, 9}[rnd() % 4], d = (unsigned long)&iov;
    if (rnd() % 2) for (int k = 0; k < 600; k++) buf[k] = rnd();
  }
  if (r == PTRACE_SETOPTIONS || r == PTRACE_SEIZE) d = rnd() & (rnd() % 3 ? 0xff : 0x3000ff);
  if (r == PTRACE_SEIZE) a = 0;
  if (r == PTRACE_SETREGS) {
    syscall(SYS_ptrace, PTRACE_GETREGS, p, 0, buf);
    if (rnd() % 2) ((unsigned long *)buf)[rnd() % 27] = rnd() % 2 ? rnd() : ~0ul;
    d = (unsigned long)buf;
  }
  if (r == PTRACE_POKEUSER) a = (rnd() % 116) * 8, d = rnd();
  syscall(SYS_ptrace, r, p, a, d);
}
static void tracer(void) {
  for (int j = 0; j < WORKERS; j++) {
    pid_t c = fork();
    if (c == 0) {
      seed ^= getpid() * 77;
      for (int i = 0; i < 30; i++) work(0);
      _exit(0);
    }
    remember(c);
    if (rnd() % 2) syscall(SYS_ptrace, PTRACE_SEIZE, c, 0, rnd() & 0x3000ff);
  }
  for (int i = 0; i < 3000; i++) {
    int status;
    pid_t p = pids[rnd() % SLOTS], w = waitpid(-1, &status, WNOHANG | __WALL);
    if (w > 0 && rnd() % 8) p = remember(w);
    if (p <= 1 || p == getppid()) continue;
    request(p);
    if (rnd() % 16 == 0) kill(p, (int[]){SIGSTOP, SIGCONT, SIGKILL, SIGUSR1, SIGTERM}[rnd() % 5]);
    if (rnd() % 200 == 0) _exit(0);
  }
}

// Kills the children there are, one by one; their orphans become children in turn.
static void end_all(void) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)syscall(SYS_gettid));
  for (;;) {
    int fd = open(path, O_RDONLY);
    long n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) break;
    text[n] = 0;
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) if (atoi(word) > 1) kill(atoi(word), SIGKILL);
    waitpid(-1, 0, __WALL);
  }
  while (waitpid(-1, 0, __WALL) > 0 || errno == EINTR) ;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "leaf") == 0) return 0;
  struct utsname name;
  uname(&name);
  if (strstr(name.release, "runsc-ts") == NULL) return fprintf(stderr, "only inside a sandbox\n"), 99;
  seed = argc > 1 ? atol(argv[1]) : 1;
  int rounds = argc > 2 ? atoi(argv[2]) : 5;
  pids = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  signal(SIGUSR1, nothing);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < SLOTS; i++) pids[i] = 0;
    for (int i = 0; i < TRACERS; i++) {
      pid_t c = fork();
      if (c == 0) {
        seed += i * 991 + round * 7919;
        tracer();
        _exit(0);
      }
      pids[i] = c;
    }
    usleep(300000);
    end_all();
  }
  printf("all gone\n");
  return 0;
}
