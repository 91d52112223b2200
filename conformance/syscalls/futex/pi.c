// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/futex.h>
#include <linux/membarrier.h>

static unsigned lock, cond;
static long fx(unsigned *a, int op, unsigned v, const void *t, void *b, unsigned v3) { return syscall(SYS_futex, a, op, v, t, b, v3); }
static void show_word(const char *what, unsigned w, pid_t tid) {
  say("%s: %s%s%s", what, (w & FUTEX_TID_MASK) == 0 ? "free" : (pid_t)(w & FUTEX_TID_MASK) == tid ? "theirs" : "other", w & FUTEX_WAITERS ? " waiters" : "",
      w & FUTEX_OWNER_DIED ? " died" : "");
}
#define WORD(tid) show_word("lock", lock, tid)
static pid_t tid(void) { return syscall(SYS_gettid); }
static volatile pid_t other_tid;
static volatile int stage;
static void reach(int n) { while (stage < n) sleep_ms(2); }

static void *takes(void *arg) {
  other_tid = tid();
  stage = 1;
  long r = fx(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  stage = 2;
  if (arg == NULL) r += fx(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  return (void *)r;
}
CASE(pi_contended) {
  pthread_t t;
  void *r;
  CALL(fx(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  WORD(tid());
  pthread_create(&t, 0, takes, 0);
  reach(1), sleep_ms(100);
  WORD(tid());
  CALL(fx(&lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
  CALL(fx(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  pthread_join(t, &r);
  VAL((long)r);
  WORD(0);
}
CASE(pi_errors) {
  CALL(fx((unsigned *)((char *)&lock + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  CALL(fx(BAD_POINTER, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  lock = FUTEX_TID_MASK;
  CALL(fx(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  CALL(fx(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
  CALL(fx(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  lock = tid();
  CALL(fx(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  CALL(fx(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
  CALL(fx(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  WORD(0);
  lock = FUTEX_OWNER_DIED;
  CALL(fx(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  WORD(tid());
  lock = FUTEX_WAITERS;
  CALL(fx(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
  WORD(tid());
  CALL(fx(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  struct timespec bad = {0, -1};
  CALL(fx(&lock, FUTEX_LOCK_PI, 0, &bad, NULL, 0));
  CALL(fx(&lock, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
}
CASE(pi_timeout) {
  pid_t me = tid();
  lock = me;
  if (fork() == 0) _exit(0);
  wait(0);
  int pid = getppid();
  lock = pid;
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += 30000000;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
  CALL(fx(&lock, FUTEX_LOCK_PI, 0, &t, NULL, 0));
  WORD(pid);
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += 30000000;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
  CALL(fx(&lock, 13 /* LOCK_PI2 */, 0, &t, NULL, 0));
  CALL(fx(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
}
static void *takes_and_dies(void *a) {
  fx(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  stage = 1;
  reach(2);
  sleep_ms(100);
  return a;
}
CASE(pi_owner_dies) {
  pthread_t t;
  pthread_create(&t, 0, takes_and_dies, 0);
  reach(1);
  stage = 2;
  CALL(fx(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  WORD(tid());
  pthread_join(t, 0);
  CALL(fx(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  WORD(0);
}
static unsigned a_lock, b_lock;
static void *crosses(void *x) {
  fx(&b_lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  stage = 1;
  long r = fx(&a_lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  fx(&a_lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  fx(&b_lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  return (void *)r;
}
CASE(pi_deadlock) {
  pthread_t t;
  void *r;
  fx(&a_lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  pthread_create(&t, 0, crosses, 0);
  reach(1), sleep_ms(100);
  CALL(fx(&b_lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  CALL(fx(&a_lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  pthread_join(t, &r);
  VAL((long)r);
}
static int owned;
static void *waits_requeue(void *a) {
  long r = fx(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &lock, 0);
  if (r == 0) {
    __atomic_fetch_add(&owned, (pid_t)(lock & FUTEX_TID_MASK) == tid(), __ATOMIC_SEQ_CST);
    fx(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
  }
  return a;
}
CASE(pi_requeue) {
  pthread_t t[3];
  CALL(fx(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 5, NULL, &lock, 0));
  CALL(fx(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &cond, 0));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &lock, 0));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, (void *)1, &lock, 0));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 0, (void *)1, &lock, 0));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &lock, 3));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &cond, 0));
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, waits_requeue, 0);
  sleep_ms(200);
  CALL(fx(&cond, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &a_lock, 0));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &a_lock, 0));
  CALL(fx(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)10, &lock, 0));
  WORD(tid());
  CALL(fx(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  WORD(0);
  VAL(owned);
  // A free lock goes to the first at once.
  pthread_create(&t[0], 0, waits_requeue, 0);
  sleep_ms(100);
  CALL(fx(&cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)0, &lock, 0));
  pthread_join(t[0], 0);
  VAL(owned);
  struct timespec past = {0, 1};
  CALL(fx(&cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &past, &lock, 0));
}
static pthread_mutex_t mutex;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int ready;
static void *waits(void *a) {
  pthread_mutex_lock(&mutex);
  while (!ready) pthread_cond_wait(&condition, &mutex);
  pthread_mutex_unlock(&mutex);
  return a;
}
CASE(pi_pthread_condition) {
  pthread_mutexattr_t at;
  pthread_mutexattr_init(&at);
  CALL(pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT));
  CALL(pthread_mutex_init(&mutex, &at));
  pthread_t t[4];
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, waits, 0);
  sleep_ms(50);
  pthread_mutex_lock(&mutex);
  ready = 1;
  pthread_cond_broadcast(&condition);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < 4; i++) CALL(pthread_join(t[i], 0));
}
static void *robust_dies(void *a) { return (void *)(long)pthread_mutex_lock(&mutex), a; }
CASE(pi_pthread_robust) {
  pthread_mutexattr_t at;
  pthread_mutexattr_init(&at);
  pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
  pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &at);
  pthread_t t;
  pthread_create(&t, 0, robust_dies, 0);
  pthread_join(t, 0);
  say("%s", errno_name(pthread_mutex_lock(&mutex)));
  CALL(pthread_mutex_consistent(&mutex));
  CALL(pthread_mutex_unlock(&mutex));
  CALL(pthread_mutex_lock(&mutex));
}
static volatile int stop;
static void *runs(void *a) { while (!stop) ; return a; }
CASE(membarrier_commands) {
  long all = syscall(SYS_membarrier, 0, 0, 0);
  YES((all & 0x7f) == 0x7f);
  CALL(syscall(SYS_membarrier, 0, 1, 0));
  CALL(syscall(SYS_membarrier, 3, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  pthread_t t;
  pthread_create(&t, 0, runs, 0);
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  CHILD(CALL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)));
  stop = 1;
  pthread_join(t, 0);
}
