// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <setjmp.h>

static volatile int caught, last_code, last_value, order[16];
static volatile pid_t last_pid;
static void on_signal(int s) { order[caught++ & 15] = s; }
static void on_info(int s, siginfo_t *i, void *c) { order[caught++ & 15] = s; last_code = i->si_code; last_value = i->si_value.sival_int; last_pid = i->si_pid; }
static void handle(int s, int flags) {
  struct sigaction a = {.sa_sigaction = on_info, .sa_flags = flags | SA_SIGINFO};
  NEED(sigaction(s, &a, 0));
}
static void block(int how, int s) { sigset_t m; sigemptyset(&m); sigaddset(&m, s); sigprocmask(how, &m, 0); }

CASE(default_actions) {
  for (int s = 1; s < 32; s++) {
    if (s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU) continue;
    pid_t c = fork();
    if (c == 0) { raise(s); _exit(0); }
    report_end(signal_name(s), c);
  }
  for (int s = SIGRTMIN; s <= SIGRTMAX; s += 15) { pid_t c = fork(); if (c == 0) { raise(s); _exit(0); } report_end("real-time", c); }
}
CASE(stop_signals) {
  int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
  for (int i = 0; i < 4; i++) {
    int s;
    pid_t c = fork();
    if (c == 0) { raise(stops[i]); _exit(1); }
    waitpid(c, &s, WUNTRACED);
    say("%s: stopped %d by %s", signal_name(stops[i]), WIFSTOPPED(s), WIFSTOPPED(s) ? signal_name(WSTOPSIG(s)) : "-");
    kill(c, SIGCONT);
    report_end("then", c);
  }
}
CASE(kill_errors) {
  CALL(kill(getpid(), 0));
  CALL(kill(getpid(), 65));
  CALL(kill(getpid(), -1));
  CALL(kill(99999999, 0));
  CALL(kill(-99999999, 0));
  CALL(kill(INT_MIN, 0));
  CALL(tgkill(getpid(), getpid(), 65));
  CALL(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, BAD_POINTER));
}
CASE(sigaction_rules) {
  struct sigaction a = {.sa_handler = on_signal}, o;
  CALL(sigaction(SIGKILL, &a, 0));
  CALL(sigaction(SIGSTOP, &a, 0));
  CALL(sigaction(SIGKILL, NULL, &o));
  CALL(sigaction(0, &a, 0));
  CALL(sigaction(65, &a, 0));
  CALL(syscall(SYS_rt_sigaction, SIGUSR1, &a, 0, 4));
  CALL(syscall(SYS_rt_sigaction, SIGUSR1, BAD_POINTER, 0, 8));
  CALL(syscall(SYS_rt_sigaction, SIGUSR1, NULL, BAD_POINTER, 8));
  a.sa_flags = SA_RESTART | SA_NODEFER;
  sigaddset(&a.sa_mask, SIGUSR2);
  CALL(sigaction(SIGUSR1, &a, 0));
  CALL(sigaction(SIGUSR1, NULL, &o));
  YES(o.sa_handler == on_signal);
  YES(o.sa_flags == (SA_RESTART | SA_NODEFER));
  YES(sigismember(&o.sa_mask, SIGUSR2) == 1 && sigismember(&o.sa_mask, SIGINT) == 0);
}
CASE(siginfo_sources) {
  handle(SIGUSR1, 0);
  kill(getpid(), SIGUSR1);
  VAL(last_code);
  YES(last_pid == getpid());
  raise(SIGUSR1);
  VAL(last_code);
  sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77});
  VAL(last_code);
  VAL(last_value);
  VAL(caught);
  handle(SIGCHLD, 0);
  pid_t c = fork();
  if (c == 0) _exit(4);
  while (caught < 4) sleep_ms(5);
  VAL(last_code);
  YES(last_pid == c);
}
CASE(mask_and_pending) {
  sigset_t p, m;
  handle(SIGUSR1, 0);
  block(SIG_BLOCK, SIGUSR1);
  raise(SIGUSR1);
  raise(SIGUSR1);
  VAL(caught);
  sigpending(&p);
  VAL(sigismember(&p, SIGUSR1));
  block(SIG_UNBLOCK, SIGUSR1);
  VAL(caught);
  sigpending(&p);
  VAL(sigismember(&p, SIGUSR1));
  sigfillset(&m);
  CALL(sigprocmask(SIG_SETMASK, &m, 0));
  sigprocmask(0, NULL, &p);
  VAL(sigismember(&p, SIGKILL));
  VAL(sigismember(&p, SIGSTOP));
  CALL(syscall(SYS_rt_sigprocmask, 77, &m, 0, 8));
  CALL(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &m, 0, 4));
  CALL(syscall(SYS_rt_sigprocmask, SIG_BLOCK, BAD_POINTER, 0, 8));
  CALL(syscall(SYS_rt_sigpending, BAD_POINTER, 8));
}
CASE(realtime_queue_order) {
  block(SIG_BLOCK, SIGRTMIN);
  block(SIG_BLOCK, SIGRTMIN + 1);
  handle(SIGRTMIN, 0);
  handle(SIGRTMIN + 1, 0);
  siginfo_t i;
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGRTMIN), sigaddset(&m, SIGRTMIN + 1);
  for (int n = 0; n < 3; n++) {
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + n});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = n});
  }
  for (int n = 0; n < 6; n++) {
    int s = sigwaitinfo(&m, &i);
    say("%d value %d code %d", s - SIGRTMIN, i.si_value.sival_int, i.si_code);
  }
  struct timespec t = {0, 1000000};
  CALL(sigtimedwait(&m, &i, &t));
  t.tv_nsec = -1;
  CALL(sigtimedwait(&m, &i, &t));
}
CASE(sigwait_wakes) {
  sigset_t m;
  int s;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR1);
  sigprocmask(SIG_BLOCK, &m, 0);
  pid_t me = getpid();
  if (fork() == 0) { sleep_ms(30); kill(me, SIGUSR1); _exit(0); }
  VAL(sigwait(&m, &s));
  say("%s", signal_name(s));
  handle(SIGUSR2, 0);
  if (fork() == 0) { sleep_ms(30); kill(me, SIGUSR2); _exit(0); }
  siginfo_t i;
  CALL(sigwaitinfo(&m, &i));
  VAL(caught);
}
CASE(sigsuspend_returns) {
  sigset_t none;
  sigemptyset(&none);
  handle(SIGUSR1, 0);
  block(SIG_BLOCK, SIGUSR1);
  raise(SIGUSR1);
  VAL(caught);
  CALL(sigsuspend(&none));
  VAL(caught);
  raise(SIGUSR1);
  VAL(caught);
  pid_t me = getpid();
  handle(SIGUSR2, SA_RESTART);
  if (fork() == 0) { sleep_ms(30); kill(me, SIGUSR2); _exit(0); }
  CALL(pause());
  VAL(caught);
}
static void nest(int s) { order[caught++] = s; if (s == SIGUSR1 && caught == 1) { raise(SIGUSR1); raise(SIGUSR2); order[caught++] = 100; } }
CASE(handler_masks) {
  struct sigaction a = {.sa_handler = nest};
  sigaction(SIGUSR1, &a, 0), sigaction(SIGUSR2, &a, 0);
  raise(SIGUSR1);
  for (int i = 0; i < caught; i++) VAL(order[i]);
  caught = 0;
  a.sa_flags = SA_NODEFER;
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  for (int i = 0; i < caught; i++) VAL(order[i]);
  caught = 0;
  a.sa_flags = 0;
  sigaddset(&a.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  for (int i = 0; i < caught; i++) VAL(order[i]);
}
CASE(reset_hand) {
  struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}, o;
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  VAL(caught);
  sigaction(SIGUSR1, NULL, &o);
  YES(o.sa_handler == SIG_DFL);
  CHILD(raise(SIGUSR1));
}
CASE(pending_order) {
  int s[] = {SIGUSR2, SIGINT, SIGRTMIN + 3, SIGTERM, SIGRTMIN};
  for (int i = 0; i < 5; i++) { struct sigaction a = {.sa_handler = on_signal}; sigfillset(&a.sa_mask); sigaction(s[i], &a, 0); block(SIG_BLOCK, s[i]); }
  for (int i = 0; i < 5; i++) raise(s[i]);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  for (int i = 0; i < caught; i++) VAL(order[i]);
}
static sigjmp_buf jump;
static void jumper(int s) { siglongjmp(jump, s); }
CASE(longjmp_out) {
  signal(SIGSEGV, jumper);
  for (int i = 0; i < 3; i++) {
    int r = sigsetjmp(jump, 1);
    if (r == 0) *(volatile int *)8 = 1;
    say("%s", signal_name(r));
  }
}
CASE(ignored_signals) {
  signal(SIGUSR1, SIG_IGN);
  raise(SIGUSR1);
  block(SIG_BLOCK, SIGUSR1);
  raise(SIGUSR1);
  sigset_t p;
  sigpending(&p);
  VAL(sigismember(&p, SIGUSR1));
  signal(SIGUSR1, SIG_DFL);
  raise(SIGUSR1);
  sigpending(&p);
  VAL(sigismember(&p, SIGUSR1));
  signal(SIGUSR1, SIG_IGN);
  sigpending(&p);
  VAL(sigismember(&p, SIGUSR1));
  say("alive");
}
CASE(blocked_fault_kills) {
  block(SIG_BLOCK, SIGSEGV);
  signal(SIGSEGV, on_signal);
  CHILD(*(volatile int *)8 = 1);
  signal(SIGSEGV, SIG_IGN);
  CHILD(*(volatile int *)8 = 1);
}
static pthread_t main_thread;
static void *signal_main(void *unused) { sleep_ms(20); pthread_kill(main_thread, SIGUSR1); return 0; }
static volatile int on_main;
static void check_thread(int s) { on_main = pthread_equal(pthread_self(), main_thread); caught++; }
CASE(thread_directed) {
  main_thread = pthread_self();
  pthread_t t;
  signal(SIGUSR1, check_thread);
  pthread_create(&t, 0, signal_main, 0);
  while (!caught) sleep_ms(200);
  VAL(on_main);
  pthread_join(t, 0);
}
static void *wait_in_thread(void *unused) { sigset_t m; int s; sigemptyset(&m); sigaddset(&m, SIGUSR1); sigwait(&m, &s); return (void *)(long)s; }
CASE(process_directed_finds_thread) {
  pthread_t t;
  void *r;
  block(SIG_BLOCK, SIGUSR1);
  pthread_create(&t, 0, wait_in_thread, 0);
  sleep_ms(20);
  kill(getpid(), SIGUSR1);
  pthread_join(t, &r);
  VAL((long)r);
}
CASE(stop_whole_group_with_threads) {
  int s;
  pid_t c = fork();
  if (c == 0) {
    pthread_t t;
    main_thread = pthread_self();
    int stop = 0;
    for (int i = 0; i < 3; i++) pthread_create(&t, 0, signal_main, 0);
    signal(SIGUSR1, SIG_IGN);
    for (;;) pause();
  }
  sleep_ms(30);
  kill(c, SIGSTOP);
  YES(waitpid(c, &s, WUNTRACED) == c);
  VAL(WIFSTOPPED(s));
  kill(c, SIGTERM);
  sleep_ms(20);
  CALL(waitpid(c, &s, WNOHANG));
  kill(c, SIGCONT);
  report_end("child", c);
}
CASE(kill_stopped) {
  int s;
  pid_t c = fork();
  if (c == 0) for (;;) pause();
  kill(c, SIGSTOP);
  waitpid(c, &s, WUNTRACED);
  kill(c, SIGKILL);
  report_end("child", c);
}
CASE(cont_handler_runs) {
  int s, p[2];
  NEED(pipe(p));
  pid_t c = fork();
  if (c == 0) { handle(SIGCONT, 0); raise(SIGSTOP); write(p[1], caught == 1 ? "y" : "n", 1); _exit(0); }
  waitpid(c, &s, WUNTRACED);
  kill(c, SIGCONT);
  char b = 0;
  read(p[0], &b, 1);
  say("%c", b);
  report_end("child", c);
}
CASE(kill_group_and_all_children) {
  pid_t g = 0, c[3];
  for (int i = 0; i < 3; i++) {
    c[i] = fork();
    if (c[i] == 0) for (;;) pause();
    setpgid(c[i], g ? g : c[i]);
    if (!g) g = c[i];
  }
  CALL(kill(-g, SIGTERM));
  for (int i = 0; i < 3; i++) report_end("child", c[i]);
  CALL(kill(-g, 0));
}
CASE(parent_death_signal_absent) {
  // A child stays alive when its parent dies.
  int p[2], q[2];
  NEED(pipe(p)), NEED(pipe(q));
  CHILD(if (fork() == 0) { char b; read(p[0], &b, 1); write(q[1], "alive", 5); _exit(0); });
  char b[8] = {0};
  write(p[1], "x", 1);
  read(q[0], b, 5);
  STR(b);
}
CASE(signal_storm) {
  handle(SIGUSR1, 0);
  pid_t me = getpid();
  pid_t c = fork();
  if (c == 0) { for (int i = 0; i < 500; i++) kill(me, SIGUSR1); _exit(0); }
  int s;
  while (waitpid(c, &s, 0) == -1) {}
  YES(caught >= 1 && caught <= 500);
}
static void tell_stack(int signo, siginfo_t *info, void *context) {
  (void)signo;
  (void)info;
  stack_t *stack = (stack_t *)((char *)context + 16);
  say("stack in the frame: flags %d size %ld", stack->ss_flags, (long)stack->ss_size);
}
CASE(sigaltstack_nothing_changes) {
  struct sigaction action = {.sa_sigaction = tell_stack, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, 0);
  raise(SIGUSR1);
  stack_t stack = {0};
  CALL(sigaltstack(&stack, 0));
  stack.ss_size = 10;
  CALL(sigaltstack(&stack, 0));
  stack.ss_size = 0;
  stack.ss_flags = SS_DISABLE;
  CALL(sigaltstack(&stack, 0));
  raise(SIGUSR1);
}
