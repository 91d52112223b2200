// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/futex.h>

static int word, word2;
static long futex(int *a, int op, int v, const void *t, void *b, int v3) { return syscall(SYS_futex, a, op, v, t, b, v3); }

CASE(futex_wait_value) {
  struct timespec t = {0, 20000000}, zero = {0, 0}, bad = {0, -1}, bad2 = {-1, 0};
  word = 5;
  CALL(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0));
  CALL(futex(&word, FUTEX_WAIT, 5, &t, NULL, 0));
  CALL(futex(&word, FUTEX_WAIT_PRIVATE, 5, &zero, NULL, 0));
  CALL(futex(&word, FUTEX_WAIT, 5, &bad, NULL, 0));
  CALL(futex(&word, FUTEX_WAIT, 5, &bad2, NULL, 0));
  CALL(futex((int *)((char *)&word + 1), FUTEX_WAIT, 5, &t, NULL, 0));
  CALL(futex(BAD_POINTER, FUTEX_WAIT, 5, &t, NULL, 0));
  CALL(futex(NULL, FUTEX_WAIT, 5, &t, NULL, 0));
  CALL(futex(KERNEL_POINTER, FUTEX_WAKE, 5, &t, NULL, 0));
  CALL(futex(&word, FUTEX_WAIT, 5, BAD_POINTER, NULL, 0));
  CALL(futex(&word, 99, 5, NULL, NULL, 0));
  CALL(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
  CALL(futex(&word, FUTEX_WAIT_BITSET, 5, &t, NULL, 0));
  CALL(futex(&word, FUTEX_WAKE_BITSET, 5, NULL, NULL, 0));
}
static void *waiter(void *result) {
  long r = futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  return (void *)r;
}
CASE(futex_wake_counts) {
  pthread_t t[3];
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, waiter, 0);
  sleep_ms(200);
  CALL(futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0));
  CALL(futex(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0));
  int n = futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  VAL(n >= 1);
  n += futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0);
  VAL(n);
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
}
static void *bit_waiter(void *bits) { return (void *)futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (long)bits); }
CASE(futex_bitset) {
  pthread_t a, b;
  pthread_create(&a, 0, bit_waiter, (void *)1);
  pthread_create(&b, 0, bit_waiter, (void *)2);
  sleep_ms(200);
  CALL(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 4));
  CALL(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2));
  CALL(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  pthread_join(a, 0), pthread_join(b, 0);
}
CASE(futex_requeue) {
  pthread_t t[4];
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, waiter, 0);
  sleep_ms(200);
  CALL(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &word2, 7));
  CALL(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &word2, 0));
  CALL(futex(&word2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  CALL(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)10, &word2, 0));
  CALL(futex(&word2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
}
CASE(futex_wake_op) {
  word2 = 5;
  int op = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5);
  CALL(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2, op));
  VAL(word2);
  op = FUTEX_OP(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_GT, 100);
  CALL(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2, op));
  VAL(word2);
  CALL(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, BAD_POINTER, op));
}
CASE(futex_shared_between_processes) {
  int *w = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t c = fork();
  if (c == 0) _exit(futex(w, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
  long woken = 0;
  for (int i = 0; i < 200 && woken == 0; i++) { sleep_ms(5); woken = futex(w, FUTEX_WAKE, 1, NULL, NULL, 0); }
  VAL(woken);
  report_end("child", c);
}
CASE(futex_shared_file_two_addresses) {
  int fd = NEED(memfd_create("f", 0));
  NEED(ftruncate(fd, 4096));
  int *a = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  pid_t c = fork();
  if (c == 0) {
    int *b = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    _exit(futex(b, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
  }
  long woken = 0;
  for (int i = 0; i < 200 && woken == 0; i++) { sleep_ms(5); woken = futex(a, FUTEX_WAKE, 1, NULL, NULL, 0); }
  VAL(woken);
  report_end("child", c);
}
static void nothing(int s) {}
CASE(futex_interrupted) {
  struct sigaction a = {.sa_handler = nothing};
  struct itimerval t = {{0, 0}, {0, 20000}};
  sigaction(SIGALRM, &a, 0);
  setitimer(ITIMER_REAL, &t, 0);
  CALL(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0));
  a.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &a, 0);
  setitimer(ITIMER_REAL, &t, 0);
  struct timespec limit = {0, 80000000};
  CALL(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0));
}
CASE(futex_absolute_timeout) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  CALL(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, -1));
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += 20000000;
  if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
  CALL(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &t, NULL, -1));
}
CASE(futex_pi) {
  pthread_mutexattr_t a;
  pthread_mutex_t m;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
  VAL(pthread_mutex_init(&m, &a));
  VAL(pthread_mutex_lock(&m));
  VAL(pthread_mutex_trylock(&m) == EBUSY);
  VAL(pthread_mutex_unlock(&m));
  int w = 0;
  CALL(futex(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  YES((w & FUTEX_TID_MASK) == getpid());
  CALL(futex(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  CALL(futex(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
  CALL(futex(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  CALL(futex(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  VAL(w);
}
static pthread_mutex_t robust;
static void *die_holding(void *unused) { pthread_mutex_lock(&robust); return 0; }
CASE(robust_mutex_owner_died) {
  pthread_mutexattr_t a;
  pthread_t t;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &a);
  pthread_create(&t, 0, die_holding, 0);
  pthread_join(t, 0);
  YES(pthread_mutex_lock(&robust) == EOWNERDEAD);
  VAL(pthread_mutex_consistent(&robust));
  VAL(pthread_mutex_unlock(&robust));
  VAL(pthread_mutex_lock(&robust));
}
CASE(robust_mutex_process_killed) {
  pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(m, &a);
  CHILD(pthread_mutex_lock(m); kill(getpid(), SIGKILL));
  YES(pthread_mutex_lock(m) == EOWNERDEAD);
}
CASE(robust_list_calls) {
  void *head;
  size_t n;
  CALL(syscall(SYS_get_robust_list, 0, &head, &n));
  VAL(n);
  CALL(syscall(SYS_set_robust_list, head, 7));
  CALL(syscall(SYS_get_robust_list, 99999999, &head, &n));
}

// A wake between processes looks the page up: one that is not there is EFAULT, for private words it does not matter.
CASE(wake_needs_page) {
  int *gone = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(gone, 4096);
  int *none = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int *good = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int fd = NEED(open("short", O_CREAT | O_RDWR, 0600));
  NEED(ftruncate(fd, 4096));
  int *cut = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  NEED(ftruncate(fd, 0));
  int *words[] = {gone, none, good, cut};
  for (int i = 0; i < 4; i++) {
    CALL(syscall(SYS_futex, words[i], FUTEX_WAKE, 1, 0, 0, 0));
    CALL(syscall(SYS_futex, words[i], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0));
    CALL(syscall(SYS_futex, good, FUTEX_CMP_REQUEUE, 1, 1L, words[i], 0));
    CALL(syscall(SYS_futex, good, FUTEX_CMP_REQUEUE, 1, -1L, words[i], 0));
  }
}

// The calls of their own: futex_wake, futex_wait, futex_requeue (and futex_waitv).
struct wait_item { uint64_t val, uaddr; uint32_t flags, reserved; };
static long wake2(void *a, uint64_t mask, int n, unsigned f) { return syscall(454, a, mask, n, f); }
static long wait2(void *a, uint64_t v, uint64_t mask, unsigned f, const struct timespec *t, int clock) { return syscall(455, a, v, mask, f, t, clock); }
static long requeue2(struct wait_item *w, unsigned f, int n, int m) { return syscall(456, w, f, n, m); }
static long waitv(struct wait_item *w, unsigned n, unsigned f, const struct timespec *t, int clock) { return syscall(449, w, n, f, t, clock); }
static long parked;
static void *parks(void *mask) {
  __atomic_add_fetch(&parked, 1, __ATOMIC_SEQ_CST);
  return (void *)wait2(&word, 0, (uintptr_t)mask, 130, NULL, 0);
}
CASE(futex2_errors) {
  struct timespec past = {0, 1}, bad = {0, -1};
  word = 5;
  CALL(wait2(&word, 4, 1, 2, NULL, 0));
  CALL(wait2(&word, 5, 1, 2, &past, CLOCK_MONOTONIC));
  CALL(wait2(&word, 5, 1, 130, &past, CLOCK_REALTIME));
  CALL(wait2(&word, 5, 1, 2, &past, CLOCK_BOOTTIME));
  CALL(wait2(&word, 5, 1, 2, &bad, CLOCK_MONOTONIC));
  CALL(wait2(&word, 5, 1, 2, BAD_POINTER, CLOCK_MONOTONIC));
  CALL(wait2(&word, 5, 0, 2, NULL, 0));
  CALL(wait2(&word, 5, 1, 0, NULL, 0));
  CALL(wait2(&word, 5, 1, 3, NULL, 0));
  CALL(wait2(&word, 5, 1, 0x102, NULL, 0));
  CALL(wait2(&word, 1ul << 32 | 5, 1, 2, NULL, 0));
  CALL(wait2(&word, 5, 1ul << 32, 2, NULL, 0));
  CALL(wait2((char *)&word + 1, 5, 1, 2, NULL, 0));
  CALL(wait2(BAD_POINTER, 5, 1, 2, NULL, 0));
  CALL(wake2(&word, 1, 1, 2));
  CALL(wake2(&word, 0, 1, 2));
  CALL(wake2(&word, 1, 1, 0));
  CALL(wake2(&word, 1ul << 32, 1, 2));
  CALL(wake2(&word, 1, 0, 2));
  CALL(wake2(&word, 1, -1, 2));
  CALL(wake2((char *)&word + 2, 1, 1, 2));
  CALL(wake2(BAD_POINTER, 1, 1, 2));
  struct wait_item w[2] = {{5, (uintptr_t)&word, 2, 0}, {0, (uintptr_t)&word2, 2, 0}};
  CALL(requeue2(w, 0, 1, 1));
  CALL(requeue2(w, 1, 1, 1));
  CALL(requeue2(NULL, 0, 1, 1));
  CALL(requeue2(BAD_POINTER, 0, 1, 1));
  CALL(requeue2(w, 0, -1, 1));
  w[0].val = 4, CALL(requeue2(w, 0, 1, 1));
  w[0].val = 5, w[1].flags = 130, CALL(requeue2(w, 0, 1, 1));
  w[1].flags = 2, w[1].reserved = 1, CALL(requeue2(w, 0, 1, 1));
  w[1].reserved = 0, w[1].val = 1ul << 32, CALL(requeue2(w, 0, 1, 1));
  CALL(waitv(w, 2, 0, NULL, 0));
  w[1].val = 1, CALL(waitv(w, 2, 0, NULL, 0));
}
CASE(futex2_wakes) {
  pthread_t t[4];
  word = word2 = 0;
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, parks, (void *)(uintptr_t)(i < 2 ? 1 : 2));
  while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) < 4) sleep_ms(1);
  // Only those whose bits meet the mask are woken; none when none are asked for.
  long n = 0;
  while ((n += wake2(&word, 1, 10, 130)) < 2) sleep_ms(1);
  VAL(n);
  CALL(wake2(&word, 2, 0, 130));
  CALL(wake2(&word, 1, 10, 130));
  pthread_join(t[0], 0), pthread_join(t[1], 0);
  // The others move to another word, and one is woken there.
  struct wait_item w[2] = {{0, (uintptr_t)&word, 130, 0}, {0, (uintptr_t)&word2, 130, 0}};
  n = 0;
  while ((n += requeue2(w, 0, 0, 10)) < 2) sleep_ms(1);
  VAL(n);
  CALL(wake2(&word, 2, 10, 130));
  CALL(wake2(&word2, 2, 1, 130));
  CALL(wake2(&word2, 2, 10, 130));
  pthread_join(t[2], 0), pthread_join(t[3], 0);
}
// Who has a real-time priority is woken before who has not, the highest first; equals in the order they came.
static volatile pid_t sleeper;
static int woken_pipe[2];
static void *sleeps_with_priority(void *a) {
  int priority = (int)(intptr_t)a / 10;
  struct sched_param p = {priority};
  if (priority && sched_setscheduler(0, SCHED_FIFO, &p) != 0) say("sched_setscheduler: %s", errno_name(errno));
  sleeper = gettid();
  futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  char name = '0' + (int)(intptr_t)a % 10;
  return (void *)write(woken_pipe[1], &name, 1);
}
static char state_of(pid_t tid) {
  char path[64], text[512] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return '?';
  close(fd);
  return strrchr(text, ')')[2];
}
CASE(futex_wakes_by_priority) {
  static const int kinds[] = {0 * 10 + 0, 2 * 10 + 1, 5 * 10 + 2, 0 * 10 + 3, 5 * 10 + 4, 1 * 10 + 5};
  pthread_t t[6];
  NEED(pipe(woken_pipe));
  word = 0;
  for (int i = 0; i < 6; i++) {
    sleeper = 0;
    pthread_create(&t[i], 0, sleeps_with_priority, (void *)(intptr_t)kinds[i]);
    while (sleeper == 0 || state_of(sleeper) != 'S') sleep_ms(1);
  }
  for (int i = 0; i < 6; i++) {
    char name = '?';
    CALL(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    NEED(read(woken_pipe[0], &name, 1));
    say("%c", name);
  }
  for (int i = 0; i < 6; i++) pthread_join(t[i], 0);
}
