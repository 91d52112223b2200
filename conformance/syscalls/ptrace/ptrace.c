// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <elf.h>
#include <linux/ptrace.h>
#include <sys/prctl.h>
#include <sys/user.h>

// The raw call: glibc's wrapper hides PEEK's way.
static long pt(long request, pid_t pid, unsigned long addr, unsigned long data) {
  return syscall(SYS_ptrace, request, pid, addr, data);
}
#define PT(r, p, a, d) CALL(pt(r, p, (unsigned long)(a), (unsigned long)(d)))
// Lets a tracee go; silent, because the tracee may print at the same time.
#define GO(r, p, s) NEED(pt(r, p, 0, s))
static void show(const char *what, int st) {
  if (WIFSTOPPED(st)) say("%s: stopped %s%s event %d", what, signal_name(WSTOPSIG(st) & 0x7f), WSTOPSIG(st) & 0x80 ? "|0x80" : "", st >> 16);
  else if (WIFEXITED(st)) say("%s: exited %d", what, WEXITSTATUS(st));
  else say("%s: killed %s", what, signal_name(WTERMSIG(st)));
}
static int await(const char *what, pid_t p) {
  int st = 0;
  pid_t r = waitpid(p, &st, __WALL);
  if (r < 0) say("%s: wait %s", what, errno_name(errno));
  else show(what, st);
  return st;
}
static pid_t traced(void (*body)(void)) {
  pid_t p = fork();
  if (p == 0) {
    pt(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    body();
    _exit(7);
  }
  await("start", p);
  return p;
}
static void nothing(void) {}
static struct user_regs_struct regs(pid_t p) {
  struct user_regs_struct r;
  NEED(pt(PTRACE_GETREGS, p, 0, (unsigned long)&r));
  return r;
}

static void some_calls(void) { syscall(SYS_getuid), syscall(SYS_lseek, -1, 5, 6); }
CASE(ptrace_syscalls) {
  pid_t p = traced(some_calls);
  PT(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACESYSGOOD);
  for (int i = 0; i < 20; i++) {
    if (pt(PTRACE_SYSCALL, p, 0, 0) < 0) break;
    int st = await("call", p);
    if (!WIFSTOPPED(st)) break;
    struct user_regs_struct r = regs(p);
    say("  nr %lld rax %lld", r.orig_rax, r.rax);
    struct ptrace_syscall_info info;
    long n = pt(PTRACE_GET_SYSCALL_INFO, p, sizeof info, (unsigned long)&info);
    say("  info %ld op %d arch %x", n, info.op, info.arch);
    if (info.op == 1 && info.entry.nr == SYS_lseek) say("  entry %lld %lld", (long long)(int)info.entry.args[0], (long long)info.entry.args[1]);
    if (info.op == 2) say("  exit %lld %d", (long long)info.exit.rval, info.exit.is_error);
    siginfo_t si;
    NEED(pt(PTRACE_GETSIGINFO, p, 0, (unsigned long)&si));
    say("  si %d code %d pid %d", si.si_signo, si.si_code, si.si_pid == p);
    unsigned long msg = 99;
    pt(PTRACE_GETEVENTMSG, p, 0, (unsigned long)&msg);
    say("  msg %lu", msg);
  }
}
static void two_calls(void) { say("got %ld", syscall(SYS_getppid)), say("then %ld %d", syscall(SYS_getuid), errno); }
CASE(ptrace_change_calls) {
  pid_t p = traced(two_calls);
  fflush(stdout);
  int entries = 0;
  for (;;) {
    if (pt(PTRACE_SYSCALL, p, 0, 0) < 0) break;
    int st = 0;
    waitpid(p, &st, 0);
    if (!WIFSTOPPED(st)) { show("end", st); break; }
    struct user_regs_struct r = regs(p);
    if (r.orig_rax == SYS_getppid && (entries ^= 1)) {
      r.orig_rax = -1, r.rax = 1234;
      NEED(pt(PTRACE_SETREGS, p, 0, (unsigned long)&r));
    } else if ((long)r.orig_rax == SYS_getuid && r.rax != (unsigned long)-ENOSYS) {
      NEED(pt(PTRACE_POKEUSR, p, offsetof(struct user_regs_struct, rax), -EPERM));
    }
  }
}
static void emulated(void) { say("emulated %ld", syscall(12345, 1)), syscall(SYS_getpid); }
CASE(ptrace_sysemu) {
  pid_t p = traced(emulated);
  int n = 0;
  PT(PTRACE_SYSEMU, p, 0, 0);
  for (;;) {
    int st = 0;
    waitpid(p, &st, 0);
    if (!WIFSTOPPED(st) || n++ > 20) { show("end", st); break; }
    struct user_regs_struct r = regs(p);
    if (r.orig_rax == 12345) {
      show("call", st);
      r.rax = 77;
      NEED(pt(PTRACE_SETREGS, p, 0, (unsigned long)&r));
      NEED(pt(PTRACE_SYSCALL, p, 0, 0));
      continue;
    }
    pt(PTRACE_SYSCALL, p, 0, 0);
  }
}
static volatile long cell = 0x1122334455667788;
static const long constant = 42;
static void show_cells(void) { say("cell %lx constant %ld", cell, *(volatile const long *)&constant); }
CASE(ptrace_memory) {
  pid_t p = traced(show_cells);
  long v = 0;
  PT(PTRACE_PEEKDATA, p, &cell, &v);
  say("%lx", v);
  PT(PTRACE_PEEKTEXT, p, (char *)&cell + 1, &v);
  say("%lx", v & 0xffffffffffffff);
  PT(PTRACE_POKEDATA, p, &cell, 0x8877665544332211);
  PT(PTRACE_POKETEXT, p, &constant, 43);
  PT(PTRACE_PEEKDATA, p, 0x10, &v);
  PT(PTRACE_POKEDATA, p, 0x10, 1);
  PT(PTRACE_PEEKDATA, p, &cell, 0x10);
  PT(PTRACE_PEEKDATA, p, KERNEL_POINTER, &v);
  char path[64];
  sprintf(path, "/proc/%d/mem", p);
  int fd = NEED(open(path, O_RDWR));
  CALL(pread(fd, &v, 8, (long)&cell));
  say("%lx", v);
  v = 44;
  CALL(pwrite(fd, &v, 8, (long)&constant));
  GO(PTRACE_CONT, p, 0);
  await("end", p);
}
CASE(ptrace_user_area) {
  pid_t p = traced(nothing);
  long v = 0;
  struct user_regs_struct r = regs(p);
  PT(PTRACE_PEEKUSR, p, offsetof(struct user, regs.rip), &v);
  YES(v == (long)r.rip);
  PT(PTRACE_PEEKUSR, p, 3, &v);
  PT(PTRACE_PEEKUSR, p, sizeof(struct user), &v);
  PT(PTRACE_PEEKUSR, p, sizeof(struct user) - 8, &v);
  PT(PTRACE_PEEKUSR, p, -8, &v);
  PT(PTRACE_PEEKUSR, p, offsetof(struct user, u_debugreg[0]), &v);
  VAL(v);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, regs.rbx), 0x123456789abcdef0);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, regs.cs), 0);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, regs.ds), 0x10);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, regs.fs_base), KERNEL_POINTER);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, regs.eflags), 0xffffffff);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, u_tsize), 1);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, u_debugreg[4]), 1);
  PT(PTRACE_POKEUSR, p, offsetof(struct user, u_debugreg[0]), KERNEL_POINTER);
  r = regs(p);
  say("%llx %llx", r.rbx, r.eflags & ~0x8d5ull);
  PT(PTRACE_GETREGS, p, 0, 0x10);
  PT(PTRACE_SETREGS, p, 0, 0x10);
  PT(PTRACE_KILL, p, 0, 0);
  await("end", p);
}
static void keep_vector(void) {
  __asm__ volatile("mov $0x5566, %%eax; movd %%eax, %%xmm7; int3; movd %%xmm7, %%eax; movl %%eax, %0" : "=m"(cell) : : "eax", "xmm7");
  say("xmm7 %x", (int)cell);
}
CASE(ptrace_register_sets) {
  pid_t p = traced(keep_vector);
  GO(PTRACE_CONT, p, 0);
  await("int3", p);
  struct user_regs_struct r, all = regs(p);
  struct iovec iov = {&r, sizeof r};
  PT(PTRACE_GETREGSET, p, NT_PRSTATUS, &iov);
  VAL(iov.iov_len);
  YES(memcmp(&r, &all, sizeof r) == 0);
  iov.iov_len = 16;
  PT(PTRACE_GETREGSET, p, NT_PRSTATUS, &iov);
  VAL(iov.iov_len);
  iov.iov_len = 15;
  PT(PTRACE_GETREGSET, p, NT_PRSTATUS, &iov);
  PT(PTRACE_GETREGSET, p, 0x999, &iov);
  PT(PTRACE_GETREGSET, p, NT_PRSTATUS, 0x10);
  struct user_fpregs_struct f, g;
  iov = (struct iovec){&f, sizeof f};
  PT(PTRACE_GETREGSET, p, NT_PRFPREG, &iov);
  VAL(iov.iov_len);
  PT(PTRACE_GETFPREGS, p, 0, &g);
  say("%x %x %x", f.xmm_space[28], g.xmm_space[28], f.mxcsr);
  f.xmm_space[28] = 0x7788;
  PT(PTRACE_SETREGSET, p, NT_PRFPREG, &iov);
  static char x[16384] __attribute__((aligned(64)));
  iov = (struct iovec){x, sizeof x};
  PT(PTRACE_GETREGSET, p, NT_X86_XSTATE, &iov);
  YES(iov.iov_len >= 576);
  say("%x", *(int *)(x + 160 + 16 * 7));
  *(int *)(x + 160 + 16 * 7) = 0x99aa;
  PT(PTRACE_SETREGSET, p, NT_X86_XSTATE, &iov);
  iov.iov_len = 64;
  PT(PTRACE_SETREGSET, p, NT_X86_XSTATE, &iov);
  f.mxcsr = 0xffffffff;
  PT(PTRACE_SETFPREGS, p, 0, &f);
  GO(PTRACE_CONT, p, 0);
  await("end", p);
}
static void handler(int s) { say("handler %s", signal_name(s)); }
static void signalled(void) {
  signal(SIGUSR1, handler), signal(SIGUSR2, handler), signal(SIGTERM, SIG_IGN);
  raise(SIGUSR1), raise(SIGUSR2), raise(SIGTERM), raise(SIGUSR1);
  kill(getpid(), SIGKILL);
}
CASE(ptrace_signals) {
  pid_t p = traced(signalled);
  siginfo_t si;
  GO(PTRACE_CONT, p, 0);
  await("usr1", p);
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  say("%s code %d pid %d", signal_name(si.si_signo), si.si_code, si.si_pid == p);
  PT(PTRACE_CONT, p, 0, 65);
  GO(PTRACE_CONT, p, SIGUSR1);
  await("usr2", p);
  GO(PTRACE_CONT, p, 0);
  await("ignored", p);
  GO(PTRACE_CONT, p, SIGTERM);
  await("usr1", p);
  GO(PTRACE_CONT, p, SIGUSR2);
  await("end", p);
  PT(PTRACE_CONT, p, 0, 1);
}
static void fatal(void) { raise(SIGTERM); }
CASE(ptrace_fatal_signal) {
  pid_t p = traced(fatal);
  PT(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEEXIT);
  GO(PTRACE_CONT, p, 0);
  await("term", p);
  GO(PTRACE_CONT, p, SIGTERM);
  await("exit", p);
  unsigned long msg = 0;
  PT(PTRACE_GETEVENTMSG, p, 0, &msg);
  VAL(msg);
  GO(PTRACE_CONT, p, 0);
  await("end", p);
}
static void forks(void) {
  pid_t c = fork();
  if (c == 0) _exit(3);
  int st;
  waitpid(c, &st, 0);
  c = vfork();
  if (c == 0) _exit(4);
  waitpid(c, &st, 0);
}
CASE(ptrace_fork_events) {
  pid_t p = traced(forks), child = 0;
  PT(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT);
  GO(PTRACE_CONT, p, 0);
  for (int i = 0; i < 2; i++) {
    await("fork", p);
    unsigned long msg = 0;
    NEED(pt(PTRACE_GETEVENTMSG, p, 0, (unsigned long)&msg));
    child = msg;
    await("child", child);
    siginfo_t si;
    NEED(pt(PTRACE_GETSIGINFO, child, 0, (unsigned long)&si));
    say("si %d code %d pid %d", si.si_signo, si.si_code, si.si_pid);
    GO(PTRACE_CONT, child, 0);
    await("child exit", child);
    PT(PTRACE_GETEVENTMSG, child, 0, &msg);
    VAL(msg);
    // The parent waits for it meanwhile, but the tracer comes first.
    GO(PTRACE_CONT, p, 0);
    GO(PTRACE_CONT, child, 0);
    await("child end", child);
    int st = await("parent", p);
    if (i == 1) {
      NEED(pt(PTRACE_CONT, p, 0, 0));
      await("parent", p);
    }
    siginfo_t ci;
    if (WSTOPSIG(st) == SIGCHLD && pt(PTRACE_GETSIGINFO, p, 0, (unsigned long)&ci) == 0)
      say("sigchld pid %d code %d status %d", ci.si_pid == child, ci.si_code, ci.si_status);
    GO(PTRACE_CONT, p, 0);
  }
  for (int i = 0; i < 3; i++) {
    int st = await("rest", p);
    if (!WIFSTOPPED(st)) break;
    pt(PTRACE_CONT, p, 0, 0);
  }
}
HELPER(pt_exit5) { return 5; }
static void executes(void) { execl("/proc/self/exe", "exe", "--helper", "pt_exit5", NULL); }
CASE(ptrace_exec) {
  for (int i = 0; i < 2; i++) {
    pid_t p = traced(executes);
    if (i) PT(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACEEXEC);
    GO(PTRACE_CONT, p, 0);
    await("exec", p);
    siginfo_t si;
    PT(PTRACE_GETSIGINFO, p, 0, &si);
    say("%d code %d pid %d", si.si_signo, si.si_code, si.si_pid == p);
    unsigned long msg = 0;
    if (i) { PT(PTRACE_GETEVENTMSG, p, 0, &msg); YES((pid_t)msg == p); }
    say("nr %lld rax %lld", regs(p).orig_rax, regs(p).rax);
    GO(PTRACE_CONT, p, 0);
    await("end", p);
  }
}
static volatile long counter;
static void count(void) {
  for (;;) counter++;
}
static pid_t runner(void) {
  int go[2];
  NEED(pipe(go));
  pid_t p = fork();
  if (p == 0) { write(go[1], "", 1); count(); }
  char c;
  NEED(read(go[0], &c, 1));
  return p;
}
CASE(ptrace_attach_detach) {
  pid_t p = runner();
  PT(PTRACE_ATTACH, p, 0, 0);
  await("attach", p);
  siginfo_t si;
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  PT(PTRACE_ATTACH, p, 0, 0);
  char line[256], path[64];
  sprintf(path, "/proc/%d/status", p);
  FILE *f = fopen(path, "r");
  while (fgets(line, sizeof line, f)) {
    if (!strncmp(line, "State", 5)) say("%.20s", line);
    if (!strncmp(line, "TracerPid", 9)) YES(atoi(line + 10) == getpid());
  }
  fclose(f);
  PT(PTRACE_INTERRUPT, p, 0, 0);
  PT(PTRACE_LISTEN, p, 0, 0);
  GO(PTRACE_CONT, p, 0);
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  PT(PTRACE_DETACH, p, 0, 0);
  kill(p, SIGUSR1);
  await("sent", p);
  GO(PTRACE_CONT, p, SIGUSR1);
  await("end", p);
  p = runner();
  PT(PTRACE_ATTACH, p, 0, 0);
  await("attach", p);
  PT(PTRACE_DETACH, p, 0, SIGTERM);
  await("end", p);
}
CASE(ptrace_seize_interrupt) {
  pid_t p = runner();
  PT(PTRACE_SEIZE, p, 1, 0);
  PT(PTRACE_SEIZE, p, 0, 0x40000000);
  PT(PTRACE_SEIZE, p, 0, PTRACE_O_TRACESYSGOOD);
  CALL(waitpid(p, NULL, WNOHANG));
  PT(PTRACE_CONT, p, 0, 1);
  PT(PTRACE_INTERRUPT, p, 0, 0);
  await("interrupt", p);
  siginfo_t si;
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  say("%d code %d", si.si_signo, si.si_code);
  GO(PTRACE_CONT, p, 0);
  kill(p, SIGSTOP);
  await("signal", p);
  GO(PTRACE_CONT, p, SIGSTOP);
  await("group stop", p);
  PT(PTRACE_LISTEN, p, 0, 0);
  PT(PTRACE_CONT, p, 0, 1);
  CALL(waitpid(p, NULL, WNOHANG));
  kill(p, SIGCONT);
  await("continued", p);
  GO(PTRACE_CONT, p, 0);
  await("sigcont", p);
  PT(PTRACE_SETOPTIONS, p, 0, 0x40000000);
  PT(PTRACE_SETOPTIONS, p, 0, PTRACE_O_EXITKILL);
  GO(PTRACE_CONT, p, SIGCONT);
  kill(p, SIGKILL);
  await("end", p);
}
CASE(ptrace_group_stop_attached) {
  pid_t p = runner();
  PT(PTRACE_ATTACH, p, 0, 0);
  await("attach", p);
  GO(PTRACE_CONT, p, SIGSTOP);
  await("group stop", p);
  siginfo_t si;
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  GO(PTRACE_CONT, p, 0);
  sleep_ms(50);
  kill(p, SIGCONT);
  await("cont", p);
  PT(PTRACE_DETACH, p, 0, SIGKILL);
  await("end", p);
  // One that is stopped already.
  p = runner();
  kill(p, SIGSTOP);
  int st;
  CALL(waitpid(p, &st, WUNTRACED) == p);
  PT(PTRACE_SEIZE, p, 0, 0);
  await("seized", p);
  PT(PTRACE_DETACH, p, 0, 0);
  kill(p, SIGKILL);
  await("end", p);
}
static void spin_calls(void) { for (int i = 0; i < 3; i++) syscall(SYS_getuid); }
CASE(ptrace_single_step) {
  pid_t p = traced(spin_calls);
  int steps = 0, calls = 0;
  struct user_regs_struct r;
  for (;;) {
    if (pt(PTRACE_SINGLESTEP, p, 0, 0) < 0) break;
    int st = 0;
    waitpid(p, &st, 0);
    if (!WIFSTOPPED(st)) { show("end", st); break; }
    if (WSTOPSIG(st) != SIGTRAP) { show("odd", st); break; }
    r = regs(p);
    steps++;
    unsigned long word = 0;
    pt(PTRACE_PEEKTEXT, p, r.rip - 2, (unsigned long)&word);
    if ((word & 0xffff) == 0x050f && r.rax == 0) calls++;
    if (steps > 20000) break;
  }
  YES(steps > 20);
  VAL(calls);
}
static void step_into_handler(void) { signal(SIGUSR1, handler); raise(SIGUSR1); }
CASE(ptrace_step_handler) {
  pid_t p = traced(step_into_handler);
  GO(PTRACE_CONT, p, 0);
  await("usr1", p);
  GO(PTRACE_SINGLESTEP, p, SIGUSR1);
  await("handler", p);
  YES(regs(p).rip == (unsigned long)handler);
  siginfo_t si;
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  say("%d code %d", si.si_signo, si.si_code);
  GO(PTRACE_SINGLESTEP, p, 0);
  await("step", p);
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  say("%d code %d", si.si_signo, si.si_code);
  GO(PTRACE_CONT, p, 0);
  await("end", p);
}
CASE(ptrace_breakpoint) {
  pid_t p = traced(show_cells);
  long word = 0, patched;
  NEED(pt(PTRACE_PEEKTEXT, p, (unsigned long)show_cells, (unsigned long)&word));
  patched = (word & ~0xffl) | 0xcc;
  PT(PTRACE_POKETEXT, p, show_cells, patched);
  GO(PTRACE_CONT, p, 0);
  await("int3", p);
  struct user_regs_struct r = regs(p);
  YES(r.rip == (unsigned long)show_cells + 1);
  siginfo_t si;
  PT(PTRACE_GETSIGINFO, p, 0, &si);
  say("%d code %d", si.si_signo, si.si_code);
  r.rip--;
  PT(PTRACE_SETREGS, p, 0, &r);
  PT(PTRACE_POKETEXT, p, show_cells, word);
  GO(PTRACE_CONT, p, 0);
  await("end", p);
}
static void *thread(void *a) { return a; }
static void threads(void) {
  pthread_t t;
  pthread_create(&t, 0, thread, 0);
  pthread_join(t, 0);
}
CASE(ptrace_clone_event) {
  pid_t p = traced(threads);
  PT(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACECLONE);
  GO(PTRACE_CONT, p, 0);
  await("clone", p);
  unsigned long tid = 0;
  PT(PTRACE_GETEVENTMSG, p, 0, &tid);
  await("thread", tid);
  GO(PTRACE_CONT, tid, 0);
  await("thread end", tid);
  GO(PTRACE_CONT, p, 0);
  await("end", p);
}
CASE(ptrace_interrupted_call) {
  int go[2];
  NEED(pipe(go));
  pid_t p = fork();
  if (p == 0) {
    char c;
    long n = read(go[0], &c, 1);
    say("read %ld %c", n, c);
    _exit(0);
  }
  sleep_ms(100);
  PT(PTRACE_SEIZE, p, 0, PTRACE_O_TRACESYSGOOD);
  PT(PTRACE_INTERRUPT, p, 0, 0);
  await("interrupt", p);
  struct user_regs_struct r = regs(p);
  say("nr %lld rax %lld", r.orig_rax, r.rax);
  PT(PTRACE_SYSCALL, p, 0, 0);
  await("restart", p);
  r = regs(p);
  say("nr %lld rax %lld", r.orig_rax, r.rax);
  PT(PTRACE_SYSCALL, p, 0, 0);
  write(go[1], "x", 1);
  await("result", p);
  r = regs(p);
  say("nr %lld rax %lld", r.orig_rax, r.rax);
  GO(PTRACE_DETACH, p, 0);
  await("end", p);
}
CASE(ptrace_errors) {
  pid_t p = traced(nothing);
  long v;
  PT(PTRACE_CONT, 1 << 21, 0, 0);
  PT(PTRACE_ATTACH, getpid(), 0, 0);
  PT(PTRACE_PEEKDATA, getpid(), &v, &v);
  PT(0x7777, p, 0, 0);
  PT(PTRACE_SEIZE, p, 0, 0);
  PT(PTRACE_GETSIGMASK, p, 7, &v);
  PT(PTRACE_GETSIGMASK, p, 8, &v);
  VAL(v);
  v = 1 << (SIGUSR1 - 1);
  PT(PTRACE_SETSIGMASK, p, 8, &v);
  kill(p, SIGUSR1), kill(p, SIGUSR2);
  struct ptrace_peeksiginfo_args a = {0, PTRACE_PEEKSIGINFO_SHARED, 10};
  siginfo_t si[10];
  PT(PTRACE_PEEKSIGINFO, p, &a, si);
  say("%d %d", si[0].si_signo, si[1].si_signo);
  a.flags = 8;
  PT(PTRACE_PEEKSIGINFO, p, &a, si);
  PT(PTRACE_DETACH, p, 0, 99);
  PT(PTRACE_DETACH, p, 0, 0);
  await("end", p);
  CHILD(PT(PTRACE_TRACEME, 0, 0, 0); PT(PTRACE_TRACEME, 0, 0, 0));
}
CASE(ptrace_exitkill) {
  int up[2];
  NEED(pipe(up));
  pid_t tracer = fork();
  if (tracer == 0) {
    pid_t p = fork();
    if (p == 0) { close(up[0]); count(); }
    NEED(pt(PTRACE_SEIZE, p, 0, PTRACE_O_EXITKILL));
    _exit(0);
  }
  close(up[1]);
  report_end("tracer", tracer);
  char c;
  // The runner held the other end.
  CALL(read(up[0], &c, 1));
}
CASE(ptrace_tracer_is_not_parent) {
  int sync[2], note[2];
  NEED(pipe(sync)), NEED(pipe(note));
  pid_t p = fork();
  char c;
  if (p == 0) { prctl(PR_SET_PTRACER, -1); write(note[1], "", 1); read(sync[0], &c, 1); _exit(9); }
  NEED(read(note[0], &c, 1));
  pid_t tracer = fork();
  if (tracer == 0) {
    if (pt(PTRACE_SEIZE, p, 0, 0) < 0) _exit(1);
    write(note[1], "", 1);
    int st = 0;
    pid_t r = waitpid(p, &st, __WALL);
    _exit(r == p && WEXITSTATUS(st) == 9 ? 0 : 2);
  }
  NEED(read(note[0], &c, 1));
  write(sync[1], "x", 1);
  int st = 0;
  CALL(waitpid(p, &st, 0) == p);
  show("parent", st);
  report_end("tracer", tracer);
}
CASE(ptrace_waitid) {
  pid_t p = traced(fatal);
  GO(PTRACE_CONT, p, 0);
  siginfo_t si = {0};
  CALL(waitid(P_PID, p, &si, WSTOPPED | WNOWAIT));
  say("%d code %d status %d", si.si_signo, si.si_code, si.si_status);
  CALL(waitid(P_PID, p, &si, WEXITED | WNOHANG));
  memset(&si, 0, sizeof si);
  CALL(waitid(P_PID, p, &si, WSTOPPED | WNOHANG));
  say("pid %d", si.si_pid);
  GO(PTRACE_CONT, p, SIGTERM);
  await("end", p);
}
// A signal that comes while the tracee stands at a call's entry ends the call it then begins.
CASE(ptrace_signal_at_entry) {
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    struct timespec long_time = {30, 0};
    syscall(SYS_nanosleep, &long_time, 0);
    _exit(0);
  }
  int status;
  NEED(waitpid(child, &status, 0));
  do {
    NEED(ptrace(PTRACE_SYSCALL, child, 0, 0));
    NEED(waitpid(child, &status, 0));
  } while (ptrace(PTRACE_PEEKUSR, child, (void *)120, 0) != SYS_nanosleep);
  NEED(kill(child, SIGUSR1));
  NEED(ptrace(PTRACE_SYSCALL, child, 0, 0));
  NEED(waitpid(child, &status, 0));
  say("stopped by %s", signal_name(WSTOPSIG(status)));
  NEED(ptrace(PTRACE_CONT, child, 0, 0));
  NEED(waitpid(child, &status, 0));
  say("stopped by %s", signal_name(WSTOPSIG(status)));
  NEED(ptrace(PTRACE_CONT, child, 0, SIGUSR1));
  report_end("child", child);
}
#include <linux/filter.h>
#include <linux/seccomp.h>
CASE(ptrace_seccomp_filters) {
  pid_t child = fork();
  if (child == 0) {
    struct sock_filter code[2] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog both = {2, code}, last = {1, code + 1};
    NEED(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &both));
    NEED(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &last));
    raise(SIGSTOP);
    _exit(0);
  }
  int status;
  NEED(waitpid(child, &status, WUNTRACED));
  NEED(ptrace(PTRACE_SEIZE, child, 0, 0));
  NEED(ptrace(PTRACE_INTERRUPT, child, 0, 0));
  NEED(waitpid(child, &status, 0));
  struct sock_filter code[4];
  struct { uint64_t number, flags; } about;
  for (long i = 0; i < 3; i++) {
    CALL(ptrace(0x420c, child, (void *)i, 0));
    memset(code, 0, sizeof code);
    CALL(ptrace(0x420c, child, (void *)i, code));
    say("first: %#x %u", code[0].code, code[0].k);
    about.number = i;
    about.flags = 99;
    CALL(ptrace(0x420d, child, (void *)sizeof about, &about));
    VAL(about.flags);
  }
  CALL(ptrace(0x420d, child, (void *)7, &about));
  CALL(ptrace(0x420c, child, 0, BAD_POINTER));
  become(1000);
  CALL(ptrace(0x420c, child, 0, 0));
}
