// SPDX-License-Identifier: Apache-2.0
// Guests that misbehave. What matters is that the errno is Linux's where one is printed, and that the next case still runs.
#include "case.h"
#include <sys/prctl.h>

static uint64_t seed = 0x9e3779b97f4a7c15;
static uint64_t next(void) { seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17; return seed; }
static uint64_t nasty(void) {
  static const uint64_t values[] = {0, 1, 2, 3, 7, 8, 16, 4095, 4096, 0x10, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xffff800000000000, 0x7ffffffff000, 0xfffffffffffff000, 0x400000, 0x401000, 1ull << 47, 1ull << 52, 1ull << 53};
  switch (next() % 4) {
    case 0: return next();
    case 1: return next() % 64;
    default: return values[next() % (sizeof values / sizeof *values)];
  }
}
// Calls that end, block or disturb the fuzzing process itself, or the machine it natively runs on.
static int is_excluded(long n) {
  static const short no[] = {SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_pause, SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_reboot, SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_select, SYS_pselect6, SYS_poll, SYS_ppoll, SYS_epoll_wait, SYS_epoll_pwait, 441, SYS_futex, SYS_nanosleep, SYS_clock_nanosleep, SYS_wait4, SYS_waitid, SYS_munmap, SYS_mremap, SYS_mmap, SYS_mprotect, SYS_brk, SYS_setrlimit, SYS_prlimit64, SYS_sync, SYS_syncfs, SYS_vhangup, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname, SYS_swapon, SYS_swapoff, SYS_init_module, SYS_delete_module, SYS_finit_module, SYS_kexec_load, SYS_kexec_file_load, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_acct, SYS_quotactl, SYS_iopl, SYS_ioperm, SYS_syslog, SYS_bpf, SYS_perf_event_open, SYS_ptrace, SYS_execve, SYS_execveat, SYS_alarm, SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_sigaltstack, SYS_arch_prctl, SYS_set_tid_address, SYS_set_robust_list, SYS_seccomp, SYS_prctl, SYS_setpriority, SYS_sched_setscheduler, SYS_sched_setattr, SYS_sched_setparam, SYS_unshare, SYS_setns, SYS_close, SYS_close_range, SYS_dup2, SYS_dup3, SYS_accept, SYS_accept4, SYS_flock, SYS_semop, SYS_msgrcv, SYS_msgsnd, SYS_mq_timedreceive, SYS_mq_timedsend, SYS_personality, SYS_modify_ldt, SYS_mlockall, SYS_lookup_dcookie, SYS_userfaultfd, SYS_process_vm_writev, SYS_pidfd_send_signal, SYS_io_getevents, SYS_io_setup, SYS_rseq, SYS_memfd_secret, SYS_setsid, SYS_setpgid, SYS_shmat, SYS_remap_file_pages, SYS_munlockall, SYS_madvise, SYS_process_madvise, SYS_move_pages, SYS_migrate_pages, SYS_mbind, SYS_set_mempolicy, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setresuid, SYS_setresgid, SYS_setregid, SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_capset, SYS_read, SYS_readv, SYS_preadv2, SYS_umask, SYS_chdir, SYS_fchdir, SYS_restart_syscall, SYS_io_uring_setup, SYS_shmget, SYS_semget, SYS_msgget, SYS_mq_open, SYS_fanotify_init, SYS_landlock_restrict_self, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsmount, SYS_mount_setattr, SYS_sched_setaffinity, SYS_pkey_mprotect, SYS_semtimedop, SYS_sched_yield, SYS_ioprio_set, SYS_mlock, SYS_mlock2, SYS_splice, SYS_tee, SYS_vmsplice, SYS_sendfile, SYS_copy_file_range, SYS_fcntl, SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_getrandom, SYS_fallocate, SYS_ftruncate, SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_rename, SYS_renameat, SYS_renameat2, SYS_ioctl, 334, 335, 336};
  for (unsigned i = 0; i < sizeof no / sizeof *no; i++)
    if (no[i] == n) return 1;
  return 0;
}
CASE(random_calls) {
  become(1234);
  int done = 0;
  alarm(14);
  for (int i = 0; i < 6000; i++) {
    long n = next() % 452;
    uint64_t a = nasty(), b = nasty(), c = nasty(), d = nasty(), e = nasty(), f = nasty();
    if (is_excluded(n)) continue;
    syscall(n, a, b, c, d, e, f);
    done++;
  }
  YES(done > 1000);
}
CASE(random_memory_calls) {
  CHILD(become(1234); seed = 77; long n[] = {SYS_mmap, SYS_mprotect, SYS_madvise, SYS_mremap, SYS_brk, SYS_msync, SYS_mincore, SYS_mlock, SYS_munlock};
    for (int i = 0; i < 3000; i++) {
      uint64_t addr = next() % 2 ? 0x200000000000 + next() % 64 * 4096 : nasty(); uint64_t len = next() % 2 ? next() % 20 * 4096 : nasty() & 0xffffff;
      if (addr < 0x1000000 || addr > 0x7f0000000000) addr = 0x200000000000;
      syscall(n[next() % 9], addr, len, nasty() & 7, next() % 2 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED : MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    _exit(0));
}
CASE(wild_pointers_everywhere) {
  void *bad[] = {NULL, BAD_POINTER, KERNEL_POINTER, (void *)-1, (void *)0x7ffffffff000, (void *)0x8000000000000000};
  for (int i = 0; i < 6; i++) {
    CALL(syscall(SYS_stat, bad[i], bad[i]));
    CALL(syscall(SYS_pipe, bad[i]));
    CALL(syscall(SYS_uname, bad[i]));
    CALL(syscall(SYS_nanosleep, bad[i], bad[i]));
    CALL(syscall(SYS_getcwd, bad[i], 4096));
    CALL(syscall(SYS_sigaltstack, bad[i], NULL) == 0 && bad[i] != NULL);
    CALL(syscall(SYS_rt_sigaction, SIGUSR1, bad[i], NULL, 8) == 0 && bad[i] != NULL);
    CALL(syscall(SYS_poll, bad[i], 1, 0));
    CALL(syscall(SYS_writev, 1, bad[i], 1));
    CALL(syscall(SYS_mount, bad[i], bad[i], bad[i], 0, 0) != 0);
    CALL(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad[i]));
    CALL(syscall(SYS_getdents64, NEED(open(".", O_RDONLY)), bad[i], 4096));
  }
}
CASE(huge_lengths) {
  char b[16];
  int fd = NEED(open("/dev/zero", O_RDWR)), p[2];
  NEED(pipe2(p, O_NONBLOCK));
  CALL(syscall(SYS_write, p[1], b, 1ul << 62));
  CALL(syscall(SYS_read, p[0], b, 1ul << 63));
  CALL(syscall(SYS_getdents64, NEED(open(".", O_RDONLY)), b, 0xffffffff) != 0);
  CALL(syscall(SYS_poll, b, 1ul << 31, 0));
  CALL(syscall(SYS_setgroups, 1 << 30, b));
  CALL(syscall(SYS_prctl, PR_SET_NAME, -1));
  CALL(syscall(SYS_sethostname, b, 1 << 30));
  CALL(syscall(SYS_ftruncate, NEED(open("f", O_CREAT | O_RDWR, 0600)), 1l << 62) != 77);
  CALL(syscall(SYS_mincore, 0x10000, 1ul << 62, b));
  CALL(syscall(SYS_memfd_create, KERNEL_POINTER, 0));
  CALL(syscall(SYS_sched_setaffinity, 0, 1u << 31, b) != 77);
}
CASE(descriptor_exhaustion) {
  struct rlimit r = {4096, 4096};
  setrlimit(RLIMIT_NOFILE, &r);
  int n = 0;
  while (open("/dev/null", O_RDONLY) >= 0 && n < 10000) n++;
  say("%s", errno_name(errno));
  YES(n > 4000);
}
CASE(pipe_exhaustion) {
  struct rlimit r = {1024, 1024};
  setrlimit(RLIMIT_NOFILE, &r);
  int n = 0, p[2];
  char b[65536] = {0};
  while (pipe2(p, O_NONBLOCK) == 0 && n < 10000) { write(p[1], b, sizeof b); n++; }
  say("%s", errno_name(errno));
  YES(n > 500);
}
CASE(bounded_fork_bomb) {
  struct rlimit r = {30, 30};
  become(5432);
  NEED(setrlimit(RLIMIT_NPROC, &r));
  setpgid(0, 0);
  alarm(10);
  for (int i = 0; i < 6; i++) fork();
  sleep_ms(50);
  _exit(0);
}
CASE(deep_symlink_loops) {
  char a[16], b[16];
  for (int i = 0; i < 100; i++) sprintf(a, "l%d", i), sprintf(b, "l%d/l%d", (i + 1) % 100, (i + 2) % 100), symlink(b, a);
  CALL(open("l0", O_RDONLY));
  CALL(mkdir("l5/x", 0700));
  NEED(symlink(".", "here"));
  char path[4096] = "";
  for (int i = 0; i < 200; i++) strcat(path, "here/");
  CALL(access(path, F_OK));
}
CASE(many_mappings) {
  int n = 0;
  for (; n < 2000; n++)
    if (mmap((char *)0x100000000000 + n * 8192l, 4096, n % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) break;
  VAL(n);
  CALL(munmap((void *)0x100000000000, 2000 * 8192));
}
CASE(memory_hog_without_touch) {
  char *p = mmap(0, 1ul << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  YES(p != MAP_FAILED);
  if (p != MAP_FAILED) p[1ul << 39] = 1;
}
static void *racing_writer(void *target) { volatile unsigned long *p = target; for (int i = 0; i < 2000000; i++) { p[0] = 0x10; p[0] = (unsigned long)target; } return 0; }
CASE(arguments_changed_while_read) {
  static struct iovec v[4];
  static char buffer[64];
  pthread_t t;
  int fd = NEED(open("/dev/null", O_WRONLY));
  for (int i = 0; i < 4; i++) v[i] = (struct iovec){buffer, 8};
  pthread_create(&t, 0, racing_writer, v);
  for (int i = 0; i < 2000; i++) writev(fd, v, 4);
  pthread_join(t, 0);
  say("survived");
}
static void *munmapper(void *unused) { for (int i = 0; i < 300; i++) { mmap((void *)0x110000000000, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); munmap((void *)0x110000000000, 65536); } return 0; }
CASE(memory_unmapped_while_read) {
  pthread_t t;
  int fd = NEED(open("/dev/zero", O_RDONLY));
  pthread_create(&t, 0, munmapper, 0);
  for (int i = 0; i < 500; i++) read(fd, (void *)0x110000000000, 65536);
  pthread_join(t, 0);
  say("survived");
}
CASE(kernel_addresses_as_instruction) {
  CHILD(((void (*)(void))0xffffffff81000000)());
  CHILD(((void (*)(void))0xffffffffff600000)(); _exit(3));
  CHILD(((void (*)(void))8)());
}
CASE(segment_registers) {
  CHILD(__asm__ volatile("mov $0x3, %%ax; mov %%ax, %%ds; mov %%ax, %%es" ::: "ax"); say("survived"));
  CHILD(__asm__ volatile("mov $0xffff, %%ax; mov %%ax, %%ds" ::: "ax"));
}
CASE(thirty_two_bit_calls) {
  // int 0x80 is another table; whatever the answer, it must not reach the host as a call of the stub.
  CHILD(long r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(20), "b"(0) : "memory"); say("%s", r == getpid() ? "pid" : "other"));
}
