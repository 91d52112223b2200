// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <setjmp.h>
#include <ucontext.h>

static volatile int flags_inside, on_stack, depth;
static char alt[65536];
static void probe(int s, siginfo_t *i, void *c) {
  stack_t now;
  char here;
  sigaltstack(NULL, &now);
  flags_inside = now.ss_flags;
  on_stack = &here >= alt && &here < alt + sizeof alt;
}
CASE(altstack_use) {
  stack_t s = {.ss_sp = alt, .ss_size = sizeof alt}, o;
  struct sigaction a = {.sa_sigaction = probe, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  VAL(on_stack);
  CALL(sigaltstack(&s, &o));
  VAL(o.ss_flags);
  raise(SIGUSR1);
  VAL(on_stack);
  VAL(flags_inside);
  CALL(sigaltstack(NULL, &o));
  VAL(o.ss_flags);
  YES(o.ss_sp == alt && o.ss_size == sizeof alt);
  a.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  VAL(on_stack);
  s.ss_flags = SS_DISABLE;
  CALL(sigaltstack(&s, 0));
  CALL(sigaltstack(NULL, &o));
  VAL(o.ss_flags);
}
static int change_result;
static void change_stack(int s) { stack_t n = {.ss_sp = alt, .ss_size = sizeof alt}; change_result = sigaltstack(&n, 0) == -1 ? errno : 0; }
CASE(altstack_errors) {
  stack_t s = {.ss_sp = alt, .ss_size = 100};
  CALL(sigaltstack(&s, 0));
  s.ss_size = sizeof alt, s.ss_flags = 77;
  CALL(sigaltstack(&s, 0));
  CALL(sigaltstack(BAD_POINTER, 0));
  CALL(sigaltstack(NULL, BAD_POINTER));
  s.ss_flags = 0;
  NEED(sigaltstack(&s, 0));
  struct sigaction a = {.sa_handler = change_stack, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  say("%s", errno_name(change_result));
}
static void skip_instruction(int s, siginfo_t *i, void *c) {
  ucontext_t *u = c;
  u->uc_mcontext.gregs[REG_RIP] += 2;
  u->uc_mcontext.gregs[REG_RBX] = 1234;
}
CASE(context_is_restored) {
  struct sigaction a = {.sa_sigaction = skip_instruction, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &a, 0);
  long rbx;
  __asm__ volatile("mov $5, %%rbx; ud2; mov %%rbx, %0" : "=r"(rbx) : : "rbx");
  VAL(rbx);
}
static void show_context(int s, siginfo_t *i, void *c) {
  ucontext_t *u = c;
  say("%s code %d trap %lld err %llx cr2 %s", signal_name(s), i->si_code, (long long)u->uc_mcontext.gregs[REG_TRAPNO], (long long)u->uc_mcontext.gregs[REG_ERR], u->uc_mcontext.gregs[REG_CR2] == (long)i->si_addr ? "is the address" : "differs");
  VAL(sigismember(&u->uc_sigmask, SIGUSR2));
  YES(u->uc_mcontext.fpregs != NULL);
  _exit(0);
}
CASE(context_of_fault) {
  struct sigaction a = {.sa_sigaction = show_context, .sa_flags = SA_SIGINFO};
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR2);
  sigprocmask(SIG_BLOCK, &m, 0);
  sigaction(SIGSEGV, &a, 0);
  sigaction(SIGFPE, &a, 0);
  sigaction(SIGILL, &a, 0);
  CHILD(*(volatile int *)0x1234 = 1);
  CHILD(volatile int x = *(volatile int *)0x1234);
  CHILD(__asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cdq; idiv %%ecx" ::: "eax", "ecx", "edx"));
  CHILD(__asm__ volatile("ud2"));
}
static void clobber(int s) {
  double x = 3.0;
  __asm__ volatile("movaps %%xmm0, %%xmm0; pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15; fldpi; fldpi; fldpi" ::: "xmm0", "xmm7", "xmm15");
}
CASE(fpu_state_survives) {
  signal(SIGUSR1, clobber);
  long x0, x7, x15, r;
  pid_t me = getpid();
  __asm__ volatile(
    "movq %[a], %%xmm0; movq %[b], %%xmm7; movq %[c], %%xmm15;"
    "mov %[nr], %%rax; mov %[pid], %%rdi; mov %[sig], %%rsi; syscall;"
    "movq %%xmm0, %[x0]; movq %%xmm7, %[x7]; movq %%xmm15, %[x15]"
    : [x0] "=&r"(x0), [x7] "=&r"(x7), [x15] "=&r"(x15)
    : [a] "r"(111l), [b] "r"(222l), [c] "r"(333l), [nr] "i"(SYS_kill), [pid] "r"((long)me), [sig] "i"(SIGUSR1)
    : "rax", "rdi", "rsi", "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory");
  VAL(x0);
  VAL(x7);
  VAL(x15);
}
CASE(fpu_control_words_survive) {
  unsigned mx = 0x1f80 | 0x6000, got;
  unsigned short cw = 0x37f | 0xc00, gotcw;
  __asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(mx), "m"(cw));
  sleep_ms(1);
  CHILD(__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(got), "=m"(gotcw)); say("%x %x", got & 0xffc0, gotcw));
  __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(got), "=m"(gotcw));
  say("%x %x", got & 0xffc0, gotcw);
}
HELPER(fresh_fpu) {
  unsigned mx;
  unsigned short cw;
  long x;
  __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mx), "=m"(cw));
  say("%x %x", mx, cw);
  return 0;
}
CASE(fpu_is_fresh_after_exec) {
  unsigned mx = 0x1f80 | 0x6000;
  __asm__ volatile("ldmxcsr %0" ::"m"(mx));
  char *a[] = {"x", "--helper", "fresh_fpu", NULL}, *e[] = {NULL};
  execve("/proc/self/exe", a, e);
}
CASE(registers_across_syscall) {
  // Only rax, rcx and r11 change.
  long out[12], rcx_is_next, flags;
  __asm__ volatile(
    "mov $1, %%rbx; mov $2, %%rdi; mov $3, %%rsi; mov $4, %%rdx; mov $5, %%r8; mov $6, %%r9; mov $7, %%r10; mov $8, %%r12; mov $9, %%r13;"
    "std; mov $39, %%rax; syscall; pushfq; pop %%rcx; cld;"
    "mov %%rbx, 0(%0); mov %%rdi, 8(%0); mov %%rsi, 16(%0); mov %%rdx, 24(%0); mov %%r8, 32(%0); mov %%r9, 40(%0); mov %%r10, 48(%0); mov %%r12, 56(%0); mov %%r13, 64(%0); mov %%rcx, 72(%0)"
    : : "r"(out) : "rax", "rbx", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "memory");
  for (int i = 0; i < 9; i++) VAL(out[i]);
  say("direction flag kept: %s", out[9] & 0x400 ? "yes" : "no");
}
static volatile long seen_sp;
static void red_zone(int s) { volatile char big[512]; memset((void *)big, 0xee, sizeof big); char x; seen_sp = (long)&x; }
CASE(red_zone_is_kept) {
  signal(SIGUSR1, red_zone);
  long v;
  pid_t me = getpid();
  __asm__ volatile(
    "movq $0x1122, -8(%%rsp); movq $0x3344, -120(%%rsp); mov %[nr], %%rax; mov %[pid], %%rdi; mov %[sig], %%rsi; syscall; mov -8(%%rsp), %[v]; add -120(%%rsp), %[v]"
    : [v] "=&r"(v) : [nr] "i"(SYS_kill), [pid] "r"((long)me), [sig] "i"(SIGUSR1) : "rax", "rdi", "rsi", "rcx", "r11", "memory");
  say("%lx", v);
}
static void nested(int s) { depth++; if (depth < 50) raise(SIGUSR1); }
CASE(nested_frames) {
  struct sigaction a = {.sa_handler = nested, .sa_flags = SA_NODEFER};
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  VAL(depth);
}
CASE(frame_does_not_fit) {
  // No room for the frame: SIGSEGV, whose handler has no room either, kills.
  static char tiny[4096] __attribute__((aligned(4096)));
  CHILD(signal(SIGUSR1, red_zone); pid_t me = getpid();
    __asm__ volatile("mov %0, %%rsp; mov %1, %%rax; mov %2, %%rdi; mov %3, %%rsi; syscall" : : "r"(0x1000l), "i"(SYS_kill), "r"((long)me), "i"(SIGUSR1) : "rax", "rdi", "rsi", "rcx", "r11", "memory"));
}
CASE(sigreturn_garbage) {
  CHILD(__asm__ volatile("mov $0x1000, %%rsp; mov $15, %%rax; syscall" ::: "rax", "memory"));
}
static volatile int restarts;
static void count(int s) { restarts++; }
CASE(sigreturn_restores_mask) {
  sigset_t m;
  struct sigaction a = {.sa_handler = count};
  sigfillset(&a.sa_mask);
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  sigprocmask(0, NULL, &m);
  int n = 0;
  for (int i = 1; i < 65; i++) n += sigismember(&m, i) == 1;
  VAL(n);
}
static void jump_context(int s, siginfo_t *i, void *c) { sigaddset(&((ucontext_t *)c)->uc_sigmask, SIGUSR2); sigaddset(&((ucontext_t *)c)->uc_sigmask, SIGKILL); }
CASE(mask_in_context_counts) {
  sigset_t m;
  struct sigaction a = {.sa_sigaction = jump_context, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  sigprocmask(0, NULL, &m);
  VAL(sigismember(&m, SIGUSR2));
  VAL(sigismember(&m, SIGKILL));
}
