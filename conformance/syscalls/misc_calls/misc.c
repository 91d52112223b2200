// SPDX-License-Identifier: Apache-2.0
// Calls that belong to no bigger area.
#include "case.h"
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/ioprio.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <sys/klog.h>

CASE(kcmp_files) {
  int a = NEED(open("/dev/null", O_RDONLY)), b = NEED(dup(a)), c = NEED(open("/dev/null", O_RDONLY));
  CALL(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b));
  YES(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, c) > 0);
  CALL(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, 999));
  CALL(syscall(SYS_kcmp, getpid(), getpid(), KCMP_VM, 0, 0));
  CALL(syscall(SYS_kcmp, getpid(), 99999999, KCMP_VM, 0, 0));
  CALL(syscall(SYS_kcmp, getpid(), getpid(), 99, 0, 0));
}
CASE(membarrier_calls) {
  YES(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) > 0);
  CALL(syscall(SYS_membarrier, 1 << 20, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 99, 0));
}
CASE(ioprio_values) {
  CALL(syscall(SYS_ioprio_get, 1, 0) >= 0);
  CALL(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3));
  CALL(syscall(SYS_ioprio_get, 1, 0));
  CALL(syscall(SYS_ioprio_get, 9, 0));
  CALL(syscall(SYS_ioprio_set, 1, 0, 7 << 13));
  CALL(syscall(SYS_ioprio_get, 1, 99999999));
}
CASE(pidfd_getfd_copies) {
  int p[2];
  NEED(pipe(p));
  pid_t c = fork();
  if (c == 0) { dup2(p[1], 60); for (;;) pause(); }
  sleep_ms(50);
  int h = NEED(syscall(SYS_pidfd_open, c, 0));
  int fd = OK(syscall(SYS_pidfd_getfd, h, 60, 0));
  CALL(write(fd, "x", 1));
  char b;
  CALL(read(p[0], &b, 1));
  VAL(fcntl(fd, F_GETFD));
  CALL(syscall(SYS_pidfd_getfd, h, 999, 0));
  CALL(syscall(SYS_pidfd_getfd, h, 60, 5));
  CALL(syscall(SYS_pidfd_getfd, 0, 60, 0));
  kill(c, SIGKILL);
  report_end("child", c);
  CALL(syscall(SYS_pidfd_getfd, h, 60, 0));
}
static volatile int got, got_value;
static void on_info(int s, siginfo_t *i, void *c) { got = s, got_value = i->si_value.sival_int; }
CASE(rt_tgsigqueueinfo_rules) {
  struct sigaction a = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
  siginfo_t i = {.si_code = SI_QUEUE, .si_value.sival_int = 88};
  sigaction(SIGUSR1, &a, 0);
  CALL(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &i));
  VAL(got_value);
  CALL(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &i));
  CALL(syscall(SYS_rt_tgsigqueueinfo, getpid(), 99999999, SIGUSR1, &i));
  CALL(syscall(SYS_rt_tgsigqueueinfo, -1, getpid(), SIGUSR1, &i));
  CALL(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 99, &i));
  i.si_code = SI_USER;
  CALL(syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), 0, &i));
}
CASE(setns_rules) {
  int n = NEED(open("/proc/self/ns/uts", O_RDONLY));
  CALL(setns(n, CLONE_NEWUTS));
  CALL(setns(n, CLONE_NEWNET));
  CALL(setns(0, 0));
  CALL(setns(999, 0));
}
#define FILTER(...) ({ struct sock_filter f_[] = {__VA_ARGS__}; static struct sock_fprog p_; static struct sock_filter k_[16]; memcpy(k_, f_, sizeof f_); p_ = (struct sock_fprog){sizeof f_ / sizeof *f_, k_}; &p_; })
#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)
#define ON(nr, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
static void trapped(int s, siginfo_t *i, void *c) { say("SIGSYS code %d syscall %d errno %d", i->si_code, i->si_syscall, i->si_errno); }
CASE(seccomp_filters) {
  CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, FILTER(NR, ON(SYS_getppid, SECCOMP_RET_ERRNO | 77), ON(SYS_getuid, SECCOMP_RET_TRAP | 5), ON(SYS_getgid, SECCOMP_RET_KILL_PROCESS), ALLOW)));
  CALL(getppid());
  VAL(prctl(PR_GET_SECCOMP));
  struct sigaction a = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &a, 0);
  syscall(SYS_getuid);
  CHILD(syscall(SYS_getgid));
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x1000, NULL));
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD_POINTER));
  CALL(syscall(SYS_seccomp, 99, 0, NULL));
  unsigned action = SECCOMP_RET_TRAP;
  CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
}
CASE(seccomp_strict) {
  CHILD(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); write(1, "strict\n", 7); syscall(SYS_exit, 5));
  CHILD(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); getpid());
}
CASE(seccomp_bad_programs) {
  NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, FILTER(NR)));
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, FILTER(BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), ALLOW)));
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, FILTER(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 3), ALLOW)));
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, FILTER(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4000), ALLOW)));
  struct sock_fprog none = {0, NULL};
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none));
}
CASE(seccomp_needs_no_new_privs) {
  become(1234);
  CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, FILTER(ALLOW)));
}
CASE(xattr_lists_old_names) {
  char b[64];
  make_file("f", "x", 0600);
  NEED(symlink("f", "l"));
  NEED(setxattr("f", "user.one", "1", 1, 0));
  CALL(syscall(SYS_listxattr, "l", b, 64));
  CALL(syscall(SYS_llistxattr, "l", b, 64));
  CALL(syscall(SYS_lremovexattr, "l", "user.one"));
  CALL(syscall(SYS_removexattr, "l", "user.one"));
}
CASE(sync_calls) {
  CALL(syscall(SYS_sync));
  become(1234);
  CALL(klogctl(6, 0, 0));
}
CASE(process_vm_calls) {
  char here[16] = "original", there[16] = {0};
  struct iovec l = {there, 8}, r = {here, 8}, bad = {BAD_POINTER, 8};
  CALL(syscall(SYS_process_vm_readv, getpid(), &l, 1, &r, 1, 0));
  STR(there);
  pid_t c = fork();
  if (c == 0) { memcpy(here, "child's ", 8); for (;;) pause(); }
  sleep_ms(50);
  CALL(syscall(SYS_process_vm_readv, c, &l, 1, &r, 1, 0));
  STR(there);
  CALL(syscall(SYS_process_vm_writev, c, &l, 1, &r, 1, 0));
  CALL(syscall(SYS_process_vm_readv, c, &l, 1, &bad, 1, 0));
  CALL(syscall(SYS_process_vm_readv, c, &l, 1, &r, 1, 1));
  CALL(syscall(SYS_process_vm_readv, 99999999, &l, 1, &r, 1, 0));
  kill(c, SIGKILL);
  report_end("child", c);
}
CASE(rseq_and_robust_registration) {
  // glibc registered rseq at start where the kernel has it; a second, different registration is refused either way.
  static char area[64] __attribute__((aligned(32)));
  long r = syscall(SYS_rseq, area, 32, 0, 0x53053053);
  YES(r == -1);
}
CASE(sched_set_calls) {
  struct sched_param p = {0};
  CALL(syscall(SYS_sched_setparam, 0, &p));
  p.sched_priority = 3;
  CALL(syscall(SYS_sched_setparam, 0, &p));
  struct { unsigned size, policy; unsigned long flags; int nice; unsigned prio; unsigned long a, b, c; } a = {48, 0, 0, 7, 0};
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
  CALL(getpriority(PRIO_PROCESS, 0));
  a.policy = 99;
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
  CALL(syscall(SYS_sched_setattr, 0, NULL, 0));
}

// Old static programs call these addresses instead of making a system call.
CASE(vsyscall_page) {
  time_t (*v_time)(time_t *) = (void *)0xffffffffff600400;
  int (*v_gettimeofday)(struct timeval *, void *) = (void *)0xffffffffff600000;
  long (*v_getcpu)(unsigned *, unsigned *, void *) = (void *)0xffffffffff600800;
  time_t before = time(0), stored = 0, now = v_time(&stored);
  YES(now >= before && now - before < 5 && stored == now);
  struct timeval tv = {0, 0};
  CALL(v_gettimeofday(&tv, 0));
  YES(tv.tv_sec >= before && tv.tv_sec - before < 5);
  unsigned cpu = 9999, node = 9999;
  CALL(v_getcpu(&cpu, &node, 0));
  YES(cpu < 9999 && node < 9999);
  CHILD(v_gettimeofday(BAD_POINTER, 0));
  CHILD(((void (*)(void))0xffffffffff600010)());
  CHILD(*(volatile char *)0xffffffffff600000);
}

// Security modules: capabilities are always one, and have no attributes.
CASE(security_modules) {
  uint64_t ids[64] = {0};
  uint32_t size = sizeof ids, small = 4;
  long n = syscall(461, ids, &size, 0);
  YES(n >= 1);
  YES(size == n * 8);
  int found = 0;
  for (long i = 0; i < n; i++) found |= ids[i] == 100;
  VAL(found);
  CALL(syscall(461, ids, &small, 0));
  YES(small == size);
  CALL(syscall(461, ids, &size, 1));
  CALL(syscall(461, ids, NULL, 0));
  CALL(syscall(461, NULL, &size, 0));
  struct { uint64_t id, flags, len, text; } c = {100, 0, 32, 0};
  size = sizeof c;
  CALL(syscall(459, 0, &c, &size, 0));
  CALL(syscall(459, 100, &c, NULL, 0));
  CALL(syscall(459, 100, &c, BAD_POINTER, 0));
  CALL(syscall(459, 100, &c, &size, 2));
  CALL(syscall(459, 100, NULL, &size, 1));
  CALL(syscall(459, 100, &c, &size, 1));
  c.id = 0, CALL(syscall(459, 100, &c, &size, 1));
  c.id = 100;
  CALL(syscall(460, 100, &c, 32, 1));
  CALL(syscall(460, 100, &c, 31, 0));
  CALL(syscall(460, 100, &c, 5000, 0));
  CALL(syscall(460, 100, BAD_POINTER, 32, 0));
  CALL(syscall(460, 100, &c, 32, 0));
  c.text = 8, CALL(syscall(460, 100, &c, 32, 0));
}
