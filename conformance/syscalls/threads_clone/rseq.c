// SPDX-License-Identifier: Apache-2.0
// rseq(2): registration and its errors, cpu_id, and aborts of critical sections by other calls, by signals and under load.
#include "case.h"
#include <sys/rseq.h>

#define SIGNATURE RSEQ_SIG
#define CS_ASM(body)                                                                                     \
  ".pushsection __rseq_cs, \"aw\"\n.balign 32\n3:\n.long 0, 0\n.quad 1f, (2f - 1f), 4f\n.popsection\n"   \
  "leaq 3b(%%rip), %%rax\nmovq %%rax, 8(%[r])\n1:\n" body "\n2:\n"                                       \
  ".pushsection __rseq_failure, \"ax\"\n.byte 0x0f, 0xb9, 0x3d\n.long 0x53053053\n4:\njmp %l[aborted]\n.popsection\n"

static struct rseq *of_libc(void) { return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset); }

static long call(void *addr, unsigned length, int flags, unsigned signature) {
  return syscall(SYS_rseq, addr, length, flags, signature);
}

static struct { char pad[64]; struct rseq r; char after[64]; } __attribute__((aligned(64))) own;

static void take_over(void) { CALL(call(of_libc(), 32, RSEQ_FLAG_UNREGISTER, SIGNATURE)); }

CASE(rseq_is_registered_by_libc) {
  say("offset set: %d", __rseq_offset != 0);
  say("cpu_id: %d", (int)of_libc()->cpu_id >= 0 && of_libc()->cpu_id == of_libc()->cpu_id_start);
  say("sched_getcpu: %d", sched_getcpu() >= 0);
  CALL(call(of_libc(), 32, 0, SIGNATURE));
  CALL(call(of_libc(), 32, 0, SIGNATURE + 1));
  CALL(call(of_libc(), 64, 0, SIGNATURE));
  CALL(call(&own.r, 32, 0, SIGNATURE));
}

CASE(rseq_arguments) {
  take_over();
  say("cpu_id after: %d %u", (int)of_libc()->cpu_id, of_libc()->cpu_id_start);
  CALL(call(of_libc(), 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  CALL(call(0, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  CALL(call(&own.r, 32, 2, SIGNATURE));
  CALL(call(&own.r, 32, 3, SIGNATURE));
  CALL(call(&own.r, 31, 0, SIGNATURE));
  CALL(call(&own.r, 0, 0, SIGNATURE));
  CALL(call((char *)&own.r + 4, 32, 0, SIGNATURE));
  CALL(call((char *)&own.r + 16, 48, 0, SIGNATURE));
  CALL(call((void *)-4096L, 32, 0, SIGNATURE));
  CALL(call((void *)4096, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  CALL(call(&own.r, 32, 0, SIGNATURE));
  CALL(call(&own.r, 32, 0, SIGNATURE));
  CALL(call(&own.r, 32, 0, 1));
  CALL(call(of_libc(), 32, 0, SIGNATURE));
  CALL(call(&own.r, 64, 0, SIGNATURE));
  CALL(call(&own.r, 32, RSEQ_FLAG_UNREGISTER | 2, SIGNATURE));
  CALL(call(&own.r, 32, RSEQ_FLAG_UNREGISTER, 1));
  CALL(call(&own.r, 64, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  CALL(call(of_libc(), 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  say("cpu_id: %d", (int)own.r.cpu_id >= 0);
  CALL(call(&own.r, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  say("cpu_id after: %d %u", (int)own.r.cpu_id, own.r.cpu_id_start);
  CALL(call(&own.r, 96, 0, 7));
  CALL(call(&own.r, 96, RSEQ_FLAG_UNREGISTER, 7));
}

static void *thread_registration(void *unused) {
  (void)unused;
  say("thread: %d", (int)of_libc()->cpu_id >= 0);
  CALL(call(of_libc(), 32, 0, SIGNATURE));
  return 0;
}

static int raw_thread(void *unused) {
  (void)unused;
  // CLONE_VM: not inherited, so the memory of the parent's may be registered again.
  long r = syscall(SYS_rseq, &own.r, 32, 0, SIGNATURE);
  long again = syscall(SYS_rseq, &own.r, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE);
  own.pad[0] = r == 0;
  own.pad[1] = again == 0;
  syscall(SYS_exit, 0);
  return 0;
}

HELPER(rseq_state) {
  (void)argc, (void)argv, (void)envp;
  say("after exec: %d", (int)of_libc()->cpu_id >= 0);
  CALL(call(of_libc(), 32, 0, SIGNATURE));
  return 0;
}

CASE(rseq_fork_threads_exec) {
  take_over();
  CALL(call(&own.r, 32, 0, SIGNATURE));
  if (fork() == 0) {
    CALL(call(&own.r, 32, 0, SIGNATURE));
    say("child cpu_id: %d", (int)own.r.cpu_id >= 0);
    CALL(call(&own.r, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
      _exit(0);
  }
  wait(0);
  CALL(call(&own.r, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE));
  pthread_t thread;
  for (int i = 0; i < 3; i++) {
    pthread_create(&thread, 0, thread_registration, 0);
    pthread_join(thread, 0);
  }
  static char stack[65536] __attribute__((aligned(16)));
  volatile int tid = -1;
  clone(raw_thread, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_PARENT_SETTID |
        CLONE_CHILD_CLEARTID, 0, &tid, 0, &tid);
  while (tid > 0) syscall(SYS_futex, &tid, 0, tid, 0, 0, 0);
  say("raw thread: %d %d", own.pad[0], own.pad[1]);
  if (fork() == 0) {
    execl("/proc/self/exe", "driver", "--helper", "rseq_state", (char *)0);
    _exit(1);
  }
  wait(0);
}

// A critical section that makes calls, until being scheduled away or a signal ends it.
static int yielding(struct rseq *r) {
  __asm__ goto(CS_ASM("7: movl $24, %%eax\nsyscall\njmp 7b") ::[r] "r"(r) : "memory", "cc", "rax", "rcx", "r11" : aborted);
  return 0;
aborted:
  return 1;
}

// One that only a signal or the scheduler ends.
static int endless(struct rseq *r) {
  __asm__ goto(CS_ASM("7: jmp 7b") ::[r] "r"(r) : "memory", "cc", "rax" : aborted);
  return 0;
aborted:
  return 1;
}

static volatile int handled, inside;
static void on_signal(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  handled++;
  // What the frame shows is the abort address: the signature is in front of it.
  unsigned *ip = (unsigned *)((ucontext_t *)context)->uc_mcontext.gregs[16];
  inside = ip[-1] == SIGNATURE;
  say("rseq_cs in handler: %d", of_libc()->rseq_cs != 0);
}

// A fault inside: the handler's frame points at the abort address.
static int faulting(struct rseq *r) {
  __asm__ goto(CS_ASM("ud2") ::[r] "r"(r) : "memory", "cc", "rax" : aborted);
  return 0;
aborted:
  return 1;
}

CASE(rseq_abort_by_signal) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, 0);
  say("fault aborts: %d", faulting(of_libc()));
  say("handled %d, frame at abort address %d", handled, inside);
  sigaction(SIGUSR1, &action, 0);
  raise(SIGUSR1);
  say("outside: frame at abort address %d", inside);
}

// A descriptor is stale once the section was left: the host clears it without a word.
CASE(rseq_stale_descriptor) {
  struct rseq *r = of_libc();
  __asm__ goto(CS_ASM("nop") ::[r] "r"(r) : "memory", "cc", "rax" : aborted);
  void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page, 4096);
aborted:
  for (int i = 0; i < 1000 && r->rseq_cs != 0; i++) usleep(1000);
  say("cleared: %d", r->rseq_cs == 0);
}

static void dies_with(const char *what, struct rseq_cs *cs) {
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGSEGV, SIG_DFL);
    of_libc()->rseq_cs = (uintptr_t)cs;
    for (int i = 0; i < 20; i++) usleep(1000);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  say("%s: signal %d", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

CASE(rseq_bad_descriptor_kills) {
  static char code[64] __attribute__((aligned(32)));
  static struct rseq_cs cs __attribute__((aligned(32)));
  cs.start_ip = (uintptr_t)code;
  cs.post_commit_offset = 8;
  cs.abort_ip = (uintptr_t)code + 32;
  dies_with("bad signature", &cs);
  memcpy(code + 28, &(unsigned){SIGNATURE}, 4);
  dies_with("good signature", &cs);
  cs.abort_ip = (uintptr_t)code + 4;
  dies_with("abort inside", &cs);
  cs.abort_ip = (uintptr_t)code + 32;
  cs.version = 1;
  dies_with("version", &cs);
  cs.version = 0;
  cs.start_ip = ~0UL;
  dies_with("start beyond", &cs);
  dies_with("nowhere", (struct rseq_cs *)8);
}

static long counters[1024][8];
static const int rounds = 20000;

static int add(struct rseq *r) {
  unsigned cpu = r->cpu_id_start;
  long *counter = counters[cpu];
  __asm__ goto(CS_ASM("cmpl %[cpu], 4(%[r])\njnz %l[elsewhere]\nmovq (%[p]), %%rcx\nmovl $200, %%edx\n"
                      "7: dec %%edx\njnz 7b\ninc %%rcx\nmovq %%rcx, (%[p])") ::[r] "r"(r),
               [cpu] "r"(cpu), [p] "r"(counter)
               : "memory", "cc", "rax", "rcx", "rdx"
               : elsewhere, aborted);
  return 1;
elsewhere:
aborted:
  return 0;
}

static void *counts(void *unused) {
  (void)unused;
  for (int i = 0; i < rounds; i++)
    while (!add(of_libc()));
  return 0;
}

static volatile int ticks;
static void on_tick(int signo) {
  (void)signo;
  ticks++;
}

CASE(rseq_counters_under_load) {
  signal(SIGALRM, on_tick);
  struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, 0);
  pthread_t threads[6];
  for (int i = 0; i < 6; i++) pthread_create(&threads[i], 0, counts, 0);
  for (int i = 0; i < 6; i++) pthread_join(threads[i], 0);
  setitimer(ITIMER_REAL, &never, 0);
  long sum = 0;
  for (int i = 0; i < 1024; i++) sum += counters[i][0];
  say("sum %ld", sum);
}

CASE(rseq_abort) {
  signal(SIGALRM, on_tick);
  struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, 0);
  CALL(yielding(of_libc()));
  CALL(endless(of_libc()));
  setitimer(ITIMER_REAL, &never, 0);
  say("rseq_cs: %d", of_libc()->rseq_cs != 0);
}

CASE(membarrier_restarts_sequences) {
  CALL(syscall(SYS_membarrier, 0, 0, 0) & 0x180);
  CALL(syscall(SYS_membarrier, 128, 0, 0));
  CALL(syscall(SYS_membarrier, 256, 0, 0));
  CALL(syscall(SYS_membarrier, 128, 0, 0));
  CALL(syscall(SYS_membarrier, 128, 1, 0));
  CALL(syscall(SYS_membarrier, 128, 2, 0));
  CALL(syscall(SYS_membarrier, 8, 1, 0));
}
