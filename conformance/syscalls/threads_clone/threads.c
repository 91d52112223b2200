// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/sched.h>
#include <linux/futex.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;
static void *add(void *n) {
  for (long i = 0; i < (long)n; i++) { pthread_mutex_lock(&lock); counter++; pthread_mutex_unlock(&lock); }
  return (void *)7;
}
CASE(threads_mutex) {
  pthread_t t[4];
  void *r;
  long sum = 0;
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, add, (void *)20000);
  for (int i = 0; i < 4; i++) pthread_join(t[i], &r), sum += (long)r;
  VAL(counter);
  VAL(sum);
}
static int turn;
static void *ping(void *me) {
  for (int i = 0; i < 200; i++) {
    pthread_mutex_lock(&lock);
    while (turn != (long)me) pthread_cond_wait(&cond, &lock);
    turn = !turn;
    counter++;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
  }
  return 0;
}
CASE(threads_condition) {
  pthread_t a, b;
  pthread_create(&a, 0, ping, (void *)0);
  pthread_create(&b, 0, ping, (void *)1);
  pthread_join(a, 0), pthread_join(b, 0);
  VAL(counter);
}
static __thread int local = 5;
static void *tls(void *x) { local += (long)x; return (void *)(long)local; }
CASE(threads_tls) {
  pthread_t t[3];
  void *r;
  for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, tls, (void *)i);
  for (int i = 0; i < 3; i++) { pthread_join(t[i], &r); VAL((long)r); }
  VAL(local);
}
static volatile int release_ids;
static void *ids(void *out) { ((pid_t *)out)[0] = getpid(); ((volatile pid_t *)out)[1] = syscall(SYS_gettid); while (!release_ids) sleep_ms(2); return 0; }
CASE(threads_ids) {
  volatile pid_t got[2] = {0, 0};
  pthread_t t;
  YES(getpid() == syscall(SYS_gettid));
  pthread_create(&t, 0, ids, (void *)got);
  while (!got[1]) sleep_ms(2);
  YES(got[0] == getpid());
  YES(got[1] != getpid());
  CALL(syscall(SYS_tgkill, getpid(), got[1], 0));
  CALL(syscall(SYS_tgkill, getpid(), getpid(), 0));
  CALL(syscall(SYS_tgkill, -1, getpid(), 0));
  CALL(syscall(SYS_tkill, getpid(), 0));
  CALL(syscall(SYS_tkill, -1, 0));
  release_ids = 1;
  pthread_join(t, 0);
}
static void *cancelled(void *unused) { for (;;) sleep(1); }
CASE(threads_cancel) {
  pthread_t t;
  void *r;
  pthread_create(&t, 0, cancelled, 0);
  sleep_ms(20);
  VAL(pthread_cancel(t));
  pthread_join(t, &r);
  YES(r == PTHREAD_CANCELED);
}
static pthread_barrier_t barrier;
static void *barrier_user(void *unused) { int n = 0; for (int i = 0; i < 50; i++) n += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD; return (void *)(long)n; }
CASE(threads_barrier_rwlock) {
  pthread_t t[3];
  void *r;
  long sum = 0;
  pthread_barrier_init(&barrier, 0, 3);
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, barrier_user, 0);
  for (int i = 0; i < 3; i++) pthread_join(t[i], &r), sum += (long)r;
  VAL(sum);
  pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
  VAL(pthread_rwlock_rdlock(&rw));
  VAL(pthread_rwlock_tryrdlock(&rw));
  VAL(pthread_rwlock_trywrlock(&rw) == EBUSY);
}
static void *short_lived(void *x) { return x; }
CASE(threads_many) {
  long sum = 0;
  void *r;
  for (long i = 0; i < 100; i++) {
    pthread_t t;
    if (pthread_create(&t, 0, short_lived, (void *)i)) { say("create failed"); return; }
    pthread_join(t, &r);
    sum += (long)r;
  }
  VAL(sum);
}
static void *spin(void *stop) { while (!*(volatile int *)stop) {} return 0; }
CASE(threads_run_in_parallel_with_spinner) {
  // A thread that never makes a system call does not keep others from running.
  int stop = 0;
  pthread_t t;
  pthread_create(&t, 0, spin, &stop);
  sleep_ms(20);
  stop = 1;
  pthread_join(t, 0);
  say("done");
}
static void *fork_in_thread(void *unused) { CHILD(_exit(12)); return 0; }
CASE(fork_from_thread) {
  pthread_t t;
  pthread_create(&t, 0, fork_in_thread, 0);
  pthread_join(t, 0);
  CHILD(pthread_t u; pthread_create(&u, 0, short_lived, 0); pthread_join(u, 0); _exit(13));
}
static char stack[65536] __attribute__((aligned(16)));
static int shared_value;
static int clone_body(void *x) { shared_value = 9; return (long)x; }
CASE(clone_flags) {
  int s;
  pid_t c = NEED(clone(clone_body, stack + sizeof stack, SIGCHLD, (void *)21));
  report_end("no CLONE_VM", c);
  VAL(shared_value);
  c = NEED(clone(clone_body, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)22));
  report_end("CLONE_VM", c);
  VAL(shared_value);
  c = NEED(clone(clone_body, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)23));
  report_end("CLONE_VFORK", c);
  c = NEED(clone(clone_body, stack + sizeof stack, 0, (void *)24));
  CALL(waitpid(c, &s, 0));
  YES(waitpid(c, &s, __WALL) == c);
  VAL(WEXITSTATUS(s));
}
static int close_three(void *x) { close(50); chdir("/"); return 0; }
CASE(clone_files_and_fs) {
  char b[512];
  int s;
  NEED(dup2(0, 50));
  pid_t c = NEED(clone(close_three, stack + sizeof stack, SIGCHLD, 0));
  waitpid(c, &s, 0);
  CALL(fcntl(50, F_GETFD));
  c = NEED(clone(close_three, stack + sizeof stack, CLONE_FILES | CLONE_FS | SIGCHLD, 0));
  waitpid(c, &s, 0);
  CALL(fcntl(50, F_GETFD));
  STR(getcwd(b, sizeof b));
}
CASE(clone_invalid) {
  CALL(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
  CALL(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0));
  CALL(syscall(SYS_clone, CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0));
  CALL(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS, 0, 0, 0, 0));
  struct clone_args a = {0};
  CALL(syscall(SYS_clone3, &a, 8));
  CALL(syscall(SYS_clone3, BAD_POINTER, sizeof a));
  a.exit_signal = 100;
  CALL(syscall(SYS_clone3, &a, sizeof a));
  a = (struct clone_args){.flags = CLONE_DETACHED, .exit_signal = SIGCHLD};
  CALL(syscall(SYS_clone3, &a, sizeof a));
  a = (struct clone_args){.stack = 0x1000, .exit_signal = SIGCHLD};
  CALL(syscall(SYS_clone3, &a, sizeof a));
}
CASE(clone3_fork) {
  int parent_tid = 0, pidfd = -1;
  struct clone_args a = {.flags = CLONE_PARENT_SETTID | CLONE_PIDFD, .parent_tid = (uint64_t)&parent_tid, .pidfd = (uint64_t)&pidfd, .exit_signal = SIGCHLD};
  pid_t c = syscall(SYS_clone3, &a, sizeof a);
  if (c == 0) _exit(31);
  YES(parent_tid == c);
  YES(pidfd >= 0);
  report_end("child", c);
}
CASE(clone_tids) {
  // CLONE_CHILD_SETTID writes in the child; CLONE_CHILD_CLEARTID clears and wakes.
  int *tid = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t c = syscall(SYS_clone, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID | SIGCHLD, 0, tid + 1, tid, 0);
  if (c == 0) { sleep_ms(30); _exit(tid[0] == getpid() ? 0 : 1); }
  YES(tid[1] == c);
  report_end("child", c);
  VAL(tid[0] == 0 || tid[0] == c);
  VAL(syscall(SYS_set_tid_address, tid) == getpid());
}
CASE(unshare_files_and_fs) {
  CALL(unshare(CLONE_FILES));
  CALL(unshare(CLONE_FS));
  CALL(unshare(0x1));
  CALL(unshare(CLONE_SYSVSEM));
}
static void *deep_kernel_user(void *unused) {
  for (int i = 0; i < 300; i++) { int p[2]; if (pipe(p)) { say("pipe failed"); break; } char c; write(p[1], "x", 1); read(p[0], &c, 1); close(p[0]), close(p[1]); }
  return 0;
}
CASE(threads_share_descriptors) {
  pthread_t t[4];
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, deep_kernel_user, 0);
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
  VAL(open("/dev/null", O_RDONLY));
}
static int pipe_fds[2];
static void *block_in_read(void *unused) { char c; return (void *)read(pipe_fds[0], &c, 1); }
CASE(write_wakes_thread) {
  pthread_t t;
  void *r;
  NEED(pipe(pipe_fds));
  pthread_create(&t, 0, block_in_read, 0);
  sleep_ms(20);
  write(pipe_fds[1], "x", 1);
  pthread_join(t, &r);
  VAL((long)r);
}

// A pidfd that cannot be handed over fails the call: no child is left behind.
CASE(clone3_pidfd_errors) {
  struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD, .pidfd = (uint64_t)BAD_POINTER};
  long r = CALL(syscall(SYS_clone3, &args, sizeof args));
  if (r == 0) _exit(0);
  struct rlimit limit;
  NEED(getrlimit(RLIMIT_NOFILE, &limit));
  int next = NEED(dup(0));
  close(next);
  limit.rlim_cur = next;
  NEED(setrlimit(RLIMIT_NOFILE, &limit));
  int fd = -1;
  args.pidfd = (uint64_t)&fd;
  r = CALL(syscall(SYS_clone3, &args, sizeof args));
  if (r == 0) _exit(0);
  VAL(fd);
  CALL(waitpid(-1, 0, 0));
}
