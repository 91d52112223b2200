// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/times.h>
#include <sys/timex.h>

static volatile int caught, last_code, last_value, last_overrun;
static void on_info(int s, siginfo_t *i, void *c) { caught++; last_code = i->si_code; last_value = i->si_value.sival_int; last_overrun = i->si_overrun; }
static void handle(int s, int flags) {
  struct sigaction a = {.sa_sigaction = on_info, .sa_flags = flags | SA_SIGINFO};
  NEED(sigaction(s, &a, 0));
}
CASE(clocks_exist) {
  struct timespec t, r;
  int ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
  for (int i = 0; i < 9; i++) {
    say("clock %d", ids[i]);
    CALL(syscall(SYS_clock_gettime, ids[i], &t));
    CALL(syscall(SYS_clock_getres, ids[i], &r));
    YES(t.tv_nsec >= 0 && t.tv_nsec < 1000000000 && t.tv_sec >= 0);
  }
  CALL(syscall(SYS_clock_gettime, 99, &t));
  CALL(syscall(SYS_clock_getres, 99, &t));
  CALL(syscall(SYS_clock_gettime, CLOCK_REALTIME, BAD_POINTER));
  CALL(syscall(SYS_clock_getres, CLOCK_REALTIME, NULL));
  CALL(clock_settime(CLOCK_MONOTONIC, &t));
  t.tv_nsec = -1;
  CALL(clock_settime(CLOCK_REALTIME, &t));
  struct timeval v;
  CALL(syscall(SYS_gettimeofday, &v, NULL));
  YES(v.tv_usec < 1000000);
  YES(syscall(SYS_time, NULL) > 1500000000);
  CALL(syscall(SYS_gettimeofday, BAD_POINTER, NULL));
}
CASE(clocks_agree) {
  struct timespec a, b, c;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
  clock_gettime(CLOCK_MONOTONIC, &b);
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &c);
  long ab = (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec, bc = (c.tv_sec - b.tv_sec) * 1000000000 + c.tv_nsec - b.tv_nsec;
  YES(ab >= 0 && ab < 500000000);
  YES(bc >= 0 && bc < 500000000);
}
CASE(nanosleep_rules) {
  struct timespec t = {0, 30000000}, r, bad = {0, 1000000000}, bad2 = {-1, 0}, zero = {0, 0};
  long long start = now_ms();
  CALL(nanosleep(&t, &r));
  YES(now_ms() - start >= 29);
  CALL(nanosleep(&bad, &r));
  CALL(nanosleep(&bad2, &r));
  CALL(nanosleep(&zero, &r));
  CALL(nanosleep(BAD_POINTER, &r));
  CALL(syscall(SYS_clock_nanosleep, 99, 0, &t, &r));
  CALL(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, &r));
  CALL(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &zero, &r));
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += 20000000;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
  start = now_ms();
  CALL(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &r));
  YES(now_ms() - start >= 18);
}
CASE(nanosleep_interrupted) {
  struct timespec t = {5, 0}, r = {0};
  struct itimerval i = {{0, 0}, {0, 30000}};
  handle(SIGALRM, SA_RESTART);
  setitimer(ITIMER_REAL, &i, 0);
  CALL(nanosleep(&t, &r));
  YES(r.tv_sec == 4 && r.tv_nsec > 0);
  VAL(caught);
  signal(SIGALRM, SIG_IGN);
  t = (struct timespec){0, 80000000};
  setitimer(ITIMER_REAL, &i, 0);
  CALL(nanosleep(&t, &r));
}
CASE(nanosleep_survives_stop) {
  int s;
  pid_t c = fork();
  if (c == 0) {
    struct timespec t = {0, 150000000};
    int r = nanosleep(&t, 0);
    say("nanosleep %d", r);
    _exit(0);
  }
  sleep_ms(30);
  kill(c, SIGSTOP);
  waitpid(c, &s, WUNTRACED);
  kill(c, SIGCONT);
  report_end("child", c);
}
CASE(itimer_real) {
  struct itimerval t = {{0, 10000}, {0, 10000}}, o;
  handle(SIGALRM, 0);
  CALL(setitimer(ITIMER_REAL, &t, &o));
  while (caught < 3) pause();
  CALL(getitimer(ITIMER_REAL, &o));
  VAL(o.it_interval.tv_usec);
  t = (struct itimerval){0};
  CALL(setitimer(ITIMER_REAL, &t, &o));
  CALL(getitimer(ITIMER_REAL, &o));
  VAL(o.it_value.tv_usec);
  VAL(last_code);
  t.it_value.tv_usec = 1000000;
  CALL(setitimer(ITIMER_REAL, &t, 0));
  CALL(setitimer(99, &t, 0));
  CALL(getitimer(99, &o));
  CALL(setitimer(ITIMER_REAL, BAD_POINTER, 0));
  CALL(getitimer(ITIMER_REAL, BAD_POINTER));
}
CASE(itimer_cpu) {
  struct itimerval t = {{0, 0}, {0, 20000}};
  handle(SIGVTALRM, 0);
  handle(SIGPROF, 0);
  NEED(setitimer(ITIMER_VIRTUAL, &t, 0));
  for (long long end = now_ms() + 3000; !caught && now_ms() < end;) {}
  VAL(caught);
  NEED(setitimer(ITIMER_PROF, &t, 0));
  for (long long end = now_ms() + 3000; caught < 2 && now_ms() < end;) {}
  VAL(caught);
}
CASE(alarm_values) {
  VAL(alarm(100));
  VAL(alarm(50));
  YES(alarm(0) >= 49);
  VAL(alarm(0));
  alarm(10);
  CHILD(VAL(alarm(0)));
  YES(alarm(15) >= 9);
  handle(SIGALRM, 0);
  alarm(1);
  pause();
  VAL(caught);
}
CASE(posix_timer_signal) {
  timer_t id;
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 55};
  struct itimerspec t = {{0, 0}, {0, 10000000}}, o;
  handle(SIGUSR1, 0);
  CALL(timer_create(CLOCK_MONOTONIC, &e, &id));
  CALL(timer_settime(id, 0, &t, &o));
  while (!caught) pause();
  VAL(last_code);
  VAL(last_value);
  CALL(timer_gettime(id, &o));
  VAL(o.it_value.tv_nsec);
  CALL(timer_getoverrun(id));
  CALL(timer_delete(id));
  CALL(syscall(SYS_timer_delete, 12345));
  CALL(syscall(SYS_timer_settime, 12345, 0, &t, &o));
}
CASE(posix_timer_overrun) {
  timer_t id;
  sigset_t m;
  siginfo_t i;
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
  struct itimerspec t = {{0, 5000000}, {0, 5000000}}, off = {0};
  sigemptyset(&m);
  sigaddset(&m, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &m, 0);
  NEED(timer_create(CLOCK_MONOTONIC, &e, &id));
  NEED(timer_settime(id, 0, &t, 0));
  sleep_ms(60);
  CALL(sigwaitinfo(&m, &i) - SIGRTMIN);
  YES(i.si_overrun >= 5 && i.si_overrun < 60);
  YES(timer_getoverrun(id) == i.si_overrun);
  NEED(timer_settime(id, 0, &off, 0));
}
CASE(posix_timer_errors) {
  timer_t id;
  struct sigevent e = {.sigev_notify = 99}, none = {.sigev_notify = SIGEV_NONE};
  struct itimerspec bad = {{0, 0}, {0, -1}}, o;
  CALL(timer_create(99, NULL, &id));
  CALL(timer_create(CLOCK_MONOTONIC, &e, &id));
  e.sigev_notify = SIGEV_SIGNAL, e.sigev_signo = 100;
  CALL(timer_create(CLOCK_MONOTONIC, &e, &id));
  CALL(timer_create(CLOCK_REALTIME, &none, &id));
  CALL(timer_settime(id, 0, &bad, 0));
  struct itimerspec t = {{0, 0}, {0, 1000000}};
  CALL(timer_settime(id, 0, &t, 0));
  sleep_ms(5);
  CALL(timer_gettime(id, &o));
  VAL(o.it_value.tv_sec + o.it_value.tv_nsec);
}
static volatile int thread_ran;
static void in_thread(union sigval v) { thread_ran = v.sival_int; }
CASE(posix_timer_thread) {
  timer_t id;
  struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_int = 66};
  struct itimerspec t = {{0, 0}, {0, 10000000}};
  CALL(timer_create(CLOCK_MONOTONIC, &e, &id));
  CALL(timer_settime(id, 0, &t, 0));
  for (int i = 0; i < 200 && !thread_ran; i++) sleep_ms(10);
  VAL(thread_ran);
}
CASE(cpu_clocks_advance) {
  struct timespec a, b;
  struct tms t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
  for (long long end = now_ms() + 60; now_ms() < end;) {}
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
  long used = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
  YES(used >= 5 && used < 2000);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
  sleep_ms(80);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
  used = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
  YES(used < 60);
  YES(times(&t) != -1);
  YES(t.tms_utime + t.tms_stime >= 0);
  struct rusage r;
  CALL(getrusage(RUSAGE_SELF, &r));
  YES(r.ru_utime.tv_sec * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec > 5000);
  CALL(getrusage(99, &r));
  CALL(getrusage(RUSAGE_CHILDREN, &r));
  CALL(getrusage(RUSAGE_THREAD, &r));
  CALL(getrusage(RUSAGE_SELF, BAD_POINTER));
}
CASE(clock_of_other_process) {
  clockid_t id;
  struct timespec t;
  VAL(clock_getcpuclockid(0, &id));
  CALL(clock_gettime(id, &t));
  VAL(clock_getcpuclockid(99999999, &id) == ESRCH);
  pthread_getcpuclockid(pthread_self(), &id);
  CALL(clock_gettime(id, &t));
}
CASE(adjtimex_read) {
  struct timex t = {0};
  YES(adjtimex(&t) >= 0);
  CALL(adjtimex(BAD_POINTER));
}
