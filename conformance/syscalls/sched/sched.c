// SPDX-License-Identifier: Apache-2.0
#include "case.h"

CASE(sched_policies) {
  struct sched_param p = {0};
  CALL(sched_getscheduler(0));
  CALL(sched_getparam(0, &p));
  VAL(p.sched_priority);
  CALL(sched_setscheduler(0, SCHED_BATCH, &p));
  CALL(sched_getscheduler(0));
  CALL(sched_setscheduler(0, SCHED_OTHER, &p));
  p.sched_priority = 5;
  CALL(sched_setscheduler(0, SCHED_OTHER, &p));
  CALL(sched_setscheduler(0, 99, &p));
  CALL(sched_setscheduler(99999999, SCHED_OTHER, &p));
  CALL(sched_getscheduler(-1));
  CALL(sched_getparam(0, NULL));
  CALL(sched_get_priority_max(SCHED_FIFO));
  CALL(sched_get_priority_min(SCHED_FIFO));
  CALL(sched_get_priority_max(SCHED_OTHER));
  CALL(sched_get_priority_max(99));
  CALL(sched_yield());
}
CASE(sched_affinity) {
  cpu_set_t s, t;
  NEED(sched_getaffinity(0, sizeof s, &s));
  CALL(sched_setaffinity(0, sizeof s, &s));
  CPU_ZERO(&t);
  CALL(sched_setaffinity(0, sizeof t, &t));
  CALL(sched_setaffinity(99999999, sizeof s, &s));
  CALL(sched_setaffinity(0, sizeof s, BAD_POINTER));
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &s)) { CPU_SET(i, &t); break; }
  CALL(sched_setaffinity(0, sizeof t, &t));
  NEED(sched_getaffinity(0, sizeof s, &s));
  VAL(CPU_COUNT(&s));
  CHILD(sched_getaffinity(0, sizeof s, &s); VAL(CPU_COUNT(&s)));
}
CASE(sched_attributes) {
  struct { unsigned size, policy; unsigned long flags; int nice; unsigned prio; unsigned long a, b, c; unsigned d, e; } a = {0};
  CALL(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0));
  VAL(a.policy);
  VAL(a.nice);
  CALL(syscall(SYS_sched_getattr, 0, &a, 10, 0));
  CALL(syscall(SYS_sched_getattr, 0, NULL, sizeof a, 0));
  struct timespec t;
  CALL(sched_rr_get_interval(99999999, &t));
}

struct dl_attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; };
// SCHED_DEADLINE's parameters are checked, kept and shown; a deadline task cannot fork.
CASE(deadline_attributes) {
  struct dl_attr a = {sizeof a, 6, 0, 0, 0, 10000000, 30000000, 30000000}, b;
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
  CALL(syscall(SYS_sched_getattr, 0, &b, sizeof b, 0));
  VAL(b.policy);
  VAL(b.runtime);
  VAL(b.deadline);
  VAL(b.period);
  CALL(sched_getscheduler(0));
  CALL(fork());
  a.runtime = 1000;
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
  a.runtime = 40000000;
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
  a.runtime = 10000000, a.period = 20000000;
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
  a.period = 0, a.deadline = 50000;
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
  CALL(syscall(SYS_sched_setattr, 4000000, &a, 0));
  struct sched_param p = {0};
  CALL(sched_setscheduler(0, SCHED_OTHER, &p));
  become(1000);
  a = (struct dl_attr){sizeof a, 6, 0, 0, 0, 10000000, 30000000, 30000000};
  CALL(syscall(SYS_sched_setattr, 0, &a, 0));
}

// Where a restricted thread runs, by the C library and by the system call.
static void runs_on(int cpu) {
  unsigned by_call = 9999;
  syscall(SYS_getcpu, &by_call, 0, 0);
  YES(sched_getcpu() == cpu);
  YES((int)by_call == cpu);
}

static void *thread_runs_on(void *cpu) {
  runs_on((int)(long)cpu);
  return 0;
}

HELPER(runs_on_after_exec) {
  (void)argc, (void)envp;
  runs_on(atoi(argv[1]));
  return 0;
}

static void stay_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  NEED(sched_setaffinity(0, sizeof set, &set));
}

CASE(affinity_is_applied) {
  cpu_set_t all;
  NEED(sched_getaffinity(0, sizeof all, &all));
  int first = 0, last = 0;
  while (!CPU_ISSET(first, &all)) first++;
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &all)) last = i;
  for (int round = 0; round < 3; round++) {
    stay_on(first);
    runs_on(first);
    stay_on(last);
    runs_on(last);
  }
  CHILD(runs_on(last));
  pthread_t thread;
  pthread_create(&thread, 0, thread_runs_on, (void *)(long)last);
  pthread_join(thread, 0);
  char text[16];
  sprintf(text, "%d", last);
  CHILD(execl("/proc/self/exe", "driver", "--helper", "runs_on_after_exec", text, (char *)0));
  NEED(sched_setaffinity(0, sizeof all, &all));
  stay_on(first);
  runs_on(first);
}

static volatile int stop_spinning;
static void *spins(void *cpu) {
  stay_on((int)(long)cpu);
  long wrong = 0;
  while (!stop_spinning)
    if (sched_getcpu() != (int)(long)cpu) wrong++;
  return (void *)wrong;
}

CASE(affinity_while_others_run) {
  cpu_set_t all;
  NEED(sched_getaffinity(0, sizeof all, &all));
  pthread_t threads[4];
  long cpus[4];
  for (int i = 0, cpu = 0; i < 4; cpu = (cpu + 1) % CPU_SETSIZE)
    if (CPU_ISSET(cpu, &all)) {
      cpus[i] = cpu;
      pthread_create(&threads[i], 0, spins, (void *)cpus[i]);
      i++;
    }
  for (int i = 0; i < 200; i++) usleep(100);
  stop_spinning = 1;
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    YES(wrong == 0);
  }
}
