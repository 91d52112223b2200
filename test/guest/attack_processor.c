// SPDX-License-Identifier: Apache-2.0
// Attacks below the system call table, each in a child: `attack_processor` prints how each child ended.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define STUB 0x7fffffffb000ul

static void attempt(const char *name, void (*run)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(3);
    run();
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", name, WTERMSIG(status));
  else printf("%s: exit %d\n", name, WEXITSTATUS(status));
}

static void int80(void) {
  long r;
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(20), "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
  printf("int80 %s\n", r == getpid() || r == -ENOSYS ? "refused or right" : "wrong");
}
static void int80_write(void) {
  long r;
  // exit of i386 is 1, write of x86-64 is 1.
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(1), "b"(7) : "memory", "r8", "r9", "r10", "r11");
  printf("int80 write %ld\n", r);
}
static void sysenter(void) { __asm__ volatile("sysenter" ::: "memory", "rcx", "rdx", "r11"); }
static void x32(void) {
  long r = syscall(0x40000000 | SYS_getpid);
  printf("x32 %s\n", r == -1 && errno == ENOSYS ? "ENOSYS" : "other");
  r = syscall(0x40000000 | 512);
  printf("x32 %s\n", r == -1 && errno == ENOSYS ? "ENOSYS" : "other");
  for (long n = -5; n < 0; n++) (void)syscall(n);
  (void)syscall(0xffffffff);
  (void)syscall(1 << 20);
  __asm__ volatile("syscall" : "=a"(r) : "a"(0x100000000l + SYS_getpid) : "rcx", "r11", "memory");
  printf("high rax %s\n", r == -ENOSYS || r == getpid() ? "fine" : "other");
}
static void jump(uint64_t to) {
  __asm__ volatile("xor %%eax,%%eax; mov $0x3b,%%eax; lea 1f(%%rip),%%rdi; xor %%esi,%%esi; xor %%edx,%%edx; jmp *%0; 1: .asciz \"/bin/true\"" : : "r"(to) : "rax", "rdi", "rsi", "rdx", "memory");
}
static uint64_t target;
static void jump_target(void) { jump(target); }
static void vsyscall_bad(void) { ((void (*)(void))0xffffffffff600001ul)(); }
static void vsyscall_time(void) {
  long t = ((long (*)(long *))0xffffffffff600400ul)(NULL);
  printf("vsyscall %s\n", t > 1000000000 ? "time" : "no time");
}
static void unmap_stub(void) {
  for (uint64_t page = STUB - 0x10000; page < STUB + 0x6000; page += 4096) {
    munmap((void *)page, 4096);
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
    mmap((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    madvise((void *)page, 4096, MADV_DONTNEED);
    madvise((void *)page, 4096, MADV_REMOVE);
    mremap((void *)page, 4096, 8192, MREMAP_MAYMOVE);
    void *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mremap(n, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)page);
    mremap((void *)page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, n);
    mlock((void *)page, 4096);
    msync((void *)page, 4096, MS_SYNC);
  }
  munmap((void *)0x7ffff0000000ul, 0xffff000ul);
  printf("unmapped %d\n", getpid() > 0);
}
static void unmap_all(void) {
  // Everything there is: the child dies at its next instruction, nobody else does.
  munmap((void *)0x1000, 0x7ffffffff000ul - 0x1000);
  munmap(NULL, 0x7ffffffff000ul);
}
static void proc_mem(void) {
  int fd = open("/proc/self/mem", O_RDWR);
  char bytes[4096];
  memset(bytes, 0xcc, sizeof bytes);
  for (uint64_t page = STUB - 0x2000; page < STUB + 0x5000; page += 4096) {
    ssize_t r = pread(fd, bytes, sizeof bytes, (off_t)page);
    ssize_t w = pwrite(fd, "\xcc\xcc\xcc\xcc", 4, (off_t)page);
    if (page >= STUB && page < STUB + 0x3000 && (r > 0 || w > 0)) printf("stub page is open: read %zd write %zd at +%lx\n", r, w, page - STUB);
  }
  struct iovec l = {bytes, 4096}, r = {(void *)STUB, 4096};
  if (process_vm_readv(getpid(), &l, 1, &r, 1, 0) > 0) printf("process_vm_readv reads the stub\n");
  if (process_vm_writev(getpid(), &l, 1, &r, 1, 0) > 0) printf("process_vm_writev writes the stub\n");
  int p[2];
  if (pipe(p) == 0) {
    if (write(p[1], (void *)STUB, 64) > 0) printf("write(2) reads the stub\n");
    (void)!write(p[1], bytes, 64);
    if (read(p[0], (void *)(STUB + 4096), 64) > 0) printf("read(2) writes the stub\n");
  }
  (void)!pread(fd, bytes, 10, -1);
  (void)!pwrite(fd, bytes, 10, (off_t)0xffffffffff600000ul);
}
static void arch(void) {
  static const uint64_t bad[] = {0xffff800000000000ul, 0xffffffff81000000ul, 0x8000000000000000ul, 0x0000800000000000ul, 0x7ffffffff000ul, ~0ul};
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
    long g = syscall(SYS_arch_prctl, 0x1001, bad[i]);
    printf("gs %lx %s\n", bad[i], g == 0 ? "set" : strerror(errno));
  }
  for (unsigned i = 0; i < 4; i++) {
    long f = syscall(SYS_arch_prctl, 0x1002, bad[i]);
    if (f == 0) _exit(9);
    printf("fs %lx refused\n", bad[i]);
  }
  printf("get to bad %ld\n", syscall(SYS_arch_prctl, 0x1003, 0xffff800000000000ul));
  for (long n = 0x1000; n < 0x1030; n++) if (n != 0x1001 && n != 0x1002) (void)syscall(SYS_arch_prctl, n, 0);
  (void)syscall(SYS_arch_prctl, 0x4001, 0);
}

static int frames;
static uint64_t seed = 88172645463325252ul;
static uint64_t rnd(void) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return seed; }
static int variant;
static void hostile_handler(int s, siginfo_t *info, void *ctx) {
  (void)s; (void)info;
  ucontext_t *u = ctx;
  frames++;
  switch (variant) {
    case 0: u->uc_mcontext.gregs[REG_RIP] = (long)0xffffffff81000000ul; break;
    case 1: u->uc_mcontext.gregs[REG_RIP] = (long)0x0000800000000000ul; break;
    case 2: u->uc_mcontext.gregs[REG_RSP] = (long)0xffff800000000000ul; break;
    case 3: u->uc_mcontext.gregs[REG_CSGSFS] = 0; break;
    case 4: u->uc_mcontext.gregs[REG_CSGSFS] = 0x10; break;
    case 5: u->uc_mcontext.gregs[REG_CSGSFS] = -1; break;
    case 6: u->uc_mcontext.gregs[REG_EFL] = -1; break;
    case 7: u->uc_mcontext.gregs[REG_EFL] = 0x3000; break;
    case 8: u->uc_mcontext.gregs[REG_EFL] |= 0x4000; break;
    case 9: u->uc_mcontext.gregs[REG_EFL] |= 0x20000; break;
    case 10: u->uc_mcontext.fpregs = (void *)0xffff800000000000ul; break;
    case 11: u->uc_mcontext.fpregs = (void *)1; break;
    case 12: u->uc_mcontext.fpregs = (void *)STUB; break;
    case 13: u->uc_mcontext.fpregs->mxcsr = ~0u; break;
    case 14: memset(u->uc_mcontext.fpregs, 0xff, 512); break;
    case 15: memset((char *)u->uc_mcontext.fpregs + 464, 0xff, 48); break;
    case 16: memset((char *)u->uc_mcontext.fpregs + 512, 0xff, 64); break;
    case 17: *(uint32_t *)((char *)u->uc_mcontext.fpregs + 468) = 0x7fffffff; break;
    case 18: *(uint32_t *)((char *)u->uc_mcontext.fpregs + 468) = 1; break;
    case 19: u->uc_mcontext.gregs[REG_RIP] = STUB; break;
    case 20: memset(&u->uc_sigmask, 0xff, 8); break;
    case 21: u->uc_stack.ss_sp = (void *)0xffff800000000000ul; u->uc_stack.ss_size = ~0ul; u->uc_stack.ss_flags = ~0; break;
    case 22: memset(u, 0xff, sizeof *u); break;
    case 23: memset(u, 0, sizeof *u); break;
    case 24: u->uc_flags = ~0ul; break;
    case 25: u->uc_mcontext.gregs[REG_CSGSFS] = 0x23; break; // compatibility mode
    default:
      for (int i = 0; i < 40; i++) ((unsigned char *)u)[rnd() % 256] = (unsigned char)rnd();
      for (int i = 0; i < 20; i++) ((unsigned char *)u->uc_mcontext.fpregs)[rnd() % 832] = (unsigned char)rnd();
  }
}
static void frame(void) {
  struct sigaction sa = {.sa_flags = SA_SIGINFO};
  sa.sa_sigaction = hostile_handler;
  seed += (uint64_t)variant * 7919;
  sigaction(SIGUSR1, &sa, NULL);
  kill(getpid(), SIGUSR1);
}
static void bare_sigreturn(void) { syscall(SYS_rt_sigreturn); }
static void sigreturn_wild_stack(void) {
  __asm__ volatile("movabs $0xffff800000000000,%%rsp; mov $15,%%eax; syscall; ud2" ::: "memory", "rcx", "r11");
}
static void handler_on_wild_stack(void) {
  struct sigaction sa = {.sa_flags = SA_SIGINFO};
  sa.sa_sigaction = hostile_handler;
  sigaction(SIGSEGV, &sa, NULL);
  __asm__ volatile("movabs $0x7ffffffff000,%%rsp; movq $0,0" ::: "memory");
}
static void handler_in_stub(void) {
  struct sigaction sa = {0};
  sa.sa_handler = (void (*)(int))STUB;
  sigaction(SIGUSR1, &sa, NULL);
  kill(getpid(), SIGUSR1);
}
static void altstack_wild(void) {
  stack_t st = {.ss_sp = (void *)STUB, .ss_size = 0x3000};
  sigaltstack(&st, NULL);
  struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  variant = 20;
  sa.sa_sigaction = hostile_handler;
  sigaction(SIGUSR1, &sa, NULL);
  kill(getpid(), SIGUSR1);
}
static volatile int traps;
static void on_trap(int s) { (void)s; traps++; }
static void trap_flag(void) {
  signal(SIGTRAP, on_trap);
  __asm__ volatile("pushf; orq $0x100,(%%rsp); popf; nop; mov $39,%%eax; syscall; nop; pushf; andq $~0x100,(%%rsp); popf" ::: "rax", "rcx", "r11", "memory", "cc");
  printf("single steps %s\n", traps >= 3 ? "trapped" : "lost");
}
static void alignment_flag(void) {
  __asm__ volatile("pushf; orq $0x40000,(%%rsp); popf" ::: "memory", "cc");
  volatile char bytes[16] = {0};
  *(volatile int *)(bytes + 1) = 5;
  __asm__ volatile("mov $39,%%eax; syscall; pushf; andq $~0x40000,(%%rsp); popf" ::: "rax", "rcx", "r11", "memory", "cc");
}
static void nested_task_flag(void) {
  __asm__ volatile("pushf; orq $0x4000,(%%rsp); popf; mov $39,%%eax; syscall; pushf; andq $~0x4000,(%%rsp); popf" ::: "rax", "rcx", "r11", "memory", "cc");
}
static void privileged(void) { __asm__ volatile("cli"); }
static void in_out(void) { __asm__ volatile("outb %%al,$0x80" ::: "memory"); }
static void direction(void) {
  __asm__ volatile("std; mov $39,%%eax; syscall; cld" ::: "rax", "rcx", "r11", "memory", "cc");
}
static void segments(void) {
  __asm__ volatile("mov %0,%%ds; mov %0,%%es; mov %0,%%fs" ::"r"(0x2b));
  __asm__ volatile("mov $39,%%eax; syscall" ::: "rax", "rcx", "r11", "memory");
  _exit(0);
}
static void far_call(void) {
  // To 32-bit code: int 0x80 and sysenter live there.
  unsigned char *low = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  static const unsigned char code[] = {0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80, 0x0f, 0x05, 0x0f, 0x34, 0xf4};
  memcpy(low, code, sizeof code);
  __asm__ volatile("mov $0x10001ff0,%%rsp; pushq $0x23; pushq $0x10000000; lretq" ::: "memory");
}
static void breakpoints(void) { __asm__ volatile("int3"); }
static void icebp(void) { __asm__ volatile(".byte 0xf1"); }
static void own_ptrace(void) {
  if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0) raise(SIGTRAP);
}
static void syscall_edge(void) {
  // A syscall instruction as the last bytes of the last page there is.
  char *p = mmap((void *)(STUB - 4096), 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (p == MAP_FAILED) return;
  p[4094] = 0x0f; p[4095] = 0x05;
  __asm__ volatile("mov $39,%%eax; jmp *%0" ::"r"(p + 4094) : "rax", "rcx", "r11", "memory");
}
static void stack_overflow(void) {
  volatile char big[4096];
  big[0] = 1;
  stack_overflow();
  big[1] = big[0];
}
static int shared_fn(void *arg) { (void)arg; unmap_all(); return 0; }
static void clone_wild(void) {
  (void)syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_SETTLS, 0xffff800000000000ul, 0xffff800000000000ul, 0xffff800000000000ul, 0xffff800000000000ul);
  (void)syscall(SYS_clone, CLONE_VM | SIGCHLD, 8, 0, 0, 0);
  static char stack[65536];
  clone(shared_fn, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
  wait(NULL);
}
static void robust(void) {
  static struct { void *next; long off; void *pending; } head;
  head.next = &head.next + 1;
  head.off = 0x7fffffffffffffff;
  head.pending = (void *)0xffff800000000000ul;
  syscall(SYS_set_robust_list, &head, 24);
  static void *ring[3];
  ring[0] = &ring[1]; ring[1] = &ring[2]; ring[2] = &ring[0];
  head.next = ring;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  attempt("int80", int80); attempt("int80 write", int80_write); attempt("sysenter", sysenter); attempt("x32", x32);
  for (int i = 0; i < 3 * 4096; i += (i < 512 ? 1 : 256)) {
    target = STUB + (uint64_t)i;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) { alarm(2); jump_target(); _exit(0); }
    int status;
    waitpid(pid, &status, 0);
  }
  printf("jumped\n");
  attempt("vsyscall bad", vsyscall_bad); attempt("vsyscall time", vsyscall_time);
  attempt("unmap stub", unmap_stub); attempt("unmap all", unmap_all); attempt("mem", proc_mem); attempt("arch_prctl", arch);
  for (variant = 0; variant < 60; variant++) {
    char name[32];
    snprintf(name, sizeof name, "frame %d", variant);
    attempt(name, frame);
  }
  attempt("bare sigreturn", bare_sigreturn); attempt("wild sigreturn", sigreturn_wild_stack); attempt("wild stack", handler_on_wild_stack);
  attempt("handler in stub", handler_in_stub); attempt("altstack", altstack_wild); attempt("TF", trap_flag); attempt("AC", alignment_flag);
  attempt("NT", nested_task_flag); attempt("cli", privileged); attempt("out", in_out); attempt("DF", direction); attempt("segments", segments);
  attempt("far call", far_call); attempt("int3", breakpoints); attempt("icebp", icebp); attempt("traceme", own_ptrace);
  attempt("edge", syscall_edge); attempt("overflow", stack_overflow); attempt("clone", clone_wild); attempt("robust", robust);
  return 0;
}
