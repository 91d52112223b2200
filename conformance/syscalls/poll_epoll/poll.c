// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/eventfd.h>

static void show_poll(struct pollfd *f, int n, int timeout) {
  int r = poll(f, n, timeout);
  char line[200];
  int at = sprintf(line, "poll = %d", r);
  if (r < 0) at = sprintf(line, "poll = %s", errno_name(errno));
  for (int i = 0; i < n && r >= 0; i++) at += sprintf(line + at, " %x", f[i].revents);
  say("%s", line);
}
CASE(poll_pipe) {
  int p[2];
  NEED(pipe(p));
  struct pollfd f[3] = {{p[0], POLLIN}, {p[1], POLLOUT}, {-1, POLLIN}};
  show_poll(f, 3, 0);
  write(p[1], "x", 1);
  show_poll(f, 3, 0);
  f[0].events = 0;
  show_poll(f, 3, 0);
  f[0].events = POLLIN;
  close(p[1]);
  f[1].fd = -1;
  show_poll(f, 2, 0);
  char b;
  read(p[0], &b, 1);
  show_poll(f, 1, 0);
  struct pollfd g = {999, POLLIN};
  show_poll(&g, 1, 0);
  NEED(pipe(p));
  close(p[0]);
  struct pollfd w = {p[1], POLLOUT};
  show_poll(&w, 1, -1);
}
CASE(poll_files_are_ready) {
  make_file("f", "x", 0600);
  struct pollfd f[2] = {{NEED(open("f", O_RDWR)), POLLIN | POLLOUT}, {NEED(open(".", O_RDONLY)), POLLIN}};
  show_poll(f, 2, -1);
  f[0].fd = NEED(open("/dev/null", O_RDWR)), f[1].fd = NEED(open("/dev/zero", O_RDWR));
  show_poll(f, 2, -1);
}
CASE(poll_errors_and_timeouts) {
  long long before = now_ms();
  CALL(poll(NULL, 0, 30));
  YES(now_ms() - before >= 29);
  CALL(poll(NULL, 1, 0));
  CALL(poll(BAD_POINTER, 1, 0));
  CALL(poll(NULL, 1 << 30, 0));
  CALL(poll(NULL, 0, 0));
  struct timespec t = {0, 1000000}, bad = {0, -1}, bad2 = {-1, 0}, bad3 = {0, 1000000000};
  CALL(ppoll(NULL, 0, &t, NULL));
  CALL(ppoll(NULL, 0, &bad, NULL));
  CALL(ppoll(NULL, 0, &bad2, NULL));
  CALL(ppoll(NULL, 0, &bad3, NULL));
  CALL(syscall(SYS_ppoll, NULL, 0, &t, &t, 3));
  CALL(syscall(SYS_ppoll, NULL, 0, BAD_POINTER, NULL, 8));
}
static volatile int caught;
static void on_signal(int s) { caught++; }
CASE(poll_interrupted) {
  struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &a, 0);
  struct itimerval t = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &t, 0);
  CALL(poll(NULL, 0, 2000));
  VAL(caught);
  sigset_t block, empty;
  sigemptyset(&empty);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  sigaction(SIGUSR1, &a, 0);
  sigprocmask(SIG_BLOCK, &block, 0);
  raise(SIGUSR1);
  VAL(caught);
  CALL(ppoll(NULL, 0, NULL, &empty));
  VAL(caught);
  raise(SIGUSR1);
  struct timespec zero = {0, 0};
  CALL(pselect(0, 0, 0, 0, &zero, &empty));
  VAL(caught);
}
CASE(poll_wakes) {
  int p[2];
  NEED(pipe(p));
  if (fork() == 0) { sleep_ms(30); write(p[1], "x", 1); _exit(0); }
  struct pollfd f = {p[0], POLLIN};
  show_poll(&f, 1, 5000);
}
CASE(select_basic) {
  int p[2];
  NEED(pipe(p));
  fd_set r, w, x;
  FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&x);
  FD_SET(p[0], &r); FD_SET(p[1], &w);
  struct timeval t = {0, 0};
  CALL(select(20, &r, &w, &x, &t));
  YES(FD_ISSET(p[0], &r));
  YES(FD_ISSET(p[1], &w));
  write(p[1], "x", 1);
  FD_SET(p[0], &r);
  CALL(select(20, &r, &w, NULL, NULL));
  YES(FD_ISSET(p[0], &r));
  CALL(select(-1, NULL, NULL, NULL, &t));
  t.tv_sec = -1;
  CALL(select(0, NULL, NULL, NULL, &t));
  t = (struct timeval){0, 20000};
  CALL(select(0, NULL, NULL, NULL, &t));
  VAL(t.tv_usec);
  FD_ZERO(&r);
  FD_SET(900, &r);
  t = (struct timeval){0, 0};
  CALL(select(901, &r, NULL, NULL, &t));
  CALL(select(1, BAD_POINTER, NULL, NULL, &t));
  close(p[0]);
  FD_ZERO(&w);
  FD_SET(p[1], &w);
  CALL(select(20, NULL, &w, NULL, NULL));
}
static void show_epoll(int e, int timeout) {
  struct epoll_event v[8];
  int n = epoll_wait(e, v, 8, timeout);
  if (n < 0) { say("epoll_wait = %s", errno_name(errno)); return; }
  char line[200];
  int at = sprintf(line, "epoll_wait = %d", n);
  for (int i = 0; i < n; i++) at += sprintf(line + at, " %x:%d", v[i].events, v[i].data.u32);
  say("%s", line);
}
CASE(epoll_basic) {
  int e = OK(epoll_create1(EPOLL_CLOEXEC)), p[2];
  NEED(pipe(p));
  struct epoll_event v = {EPOLLIN, {.u32 = 7}};
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v));
  show_epoll(e, 0);
  write(p[1], "x", 1);
  show_epoll(e, 0);
  show_epoll(e, 0);
  v.data.u32 = 8;
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v));
  show_epoll(e, -1);
  CALL(epoll_ctl(e, EPOLL_CTL_DEL, p[0], NULL));
  show_epoll(e, 0);
  CALL(epoll_ctl(e, EPOLL_CTL_DEL, p[0], NULL));
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v));
}
CASE(epoll_errors) {
  int e = NEED(epoll_create1(0)), p[2];
  NEED(pipe(p));
  make_file("f", "x", 0600);
  struct epoll_event v = {EPOLLIN};
  CALL(epoll_create(0));
  CALL(epoll_create1(77));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, e, &v));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, 999, &v));
  CALL(epoll_ctl(999, EPOLL_CTL_ADD, p[0], &v));
  CALL(epoll_ctl(p[1], EPOLL_CTL_ADD, p[0], &v));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, NEED(open("f", O_RDONLY)), &v));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, NEED(open(".", O_RDONLY)), &v));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], NULL));
  CALL(epoll_ctl(e, 99, p[0], &v));
  CALL(epoll_wait(e, &v, 0, 0));
  CALL(epoll_wait(e, &v, -1, 0));
  CALL(epoll_wait(p[0], &v, 1, 0));
  CALL(epoll_wait(999, &v, 1, 0));
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, p[1], (v.events = EPOLLOUT, &v)));
  CALL(epoll_wait(e, BAD_POINTER, 1, 0));
  char b;
  CALL(read(e, &b, 1));
}
CASE(epoll_edge_triggered) {
  int e = NEED(epoll_create1(0)), p[2];
  char b[8];
  NEED(pipe(p));
  struct epoll_event v = {EPOLLIN | EPOLLET, {.u32 = 1}};
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v));
  write(p[1], "x", 1);
  show_epoll(e, 0);
  show_epoll(e, 0);
  write(p[1], "x", 1);
  show_epoll(e, 0);
  read(p[0], b, 1);
  show_epoll(e, 0);
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v));
  show_epoll(e, 0);
  close(p[1]);
  show_epoll(e, 0);
  show_epoll(e, 0);
}
CASE(epoll_oneshot) {
  int e = NEED(epoll_create1(0)), p[2];
  NEED(pipe(p));
  struct epoll_event v = {EPOLLIN | EPOLLONESHOT, {.u32 = 1}};
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v));
  write(p[1], "x", 1);
  show_epoll(e, 0);
  write(p[1], "x", 1);
  show_epoll(e, 0);
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v));
  show_epoll(e, 0);
}
CASE(epoll_close_removes) {
  int e = NEED(epoll_create1(0)), p[2];
  NEED(pipe(p));
  struct epoll_event v = {EPOLLIN, {.u32 = 1}};
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v));
  write(p[1], "x", 1);
  int d = NEED(dup(p[0]));
  close(p[0]);
  show_epoll(e, 0);
  close(d);
  show_epoll(e, 0);
}
CASE(epoll_nested_and_polled) {
  int outer = NEED(epoll_create1(0)), inner = NEED(epoll_create1(0)), p[2];
  NEED(pipe(p));
  struct epoll_event v = {EPOLLIN, {.u32 = 1}};
  NEED(epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &v));
  v.data.u32 = 2;
  CALL(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &v));
  CALL(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &v));
  show_epoll(outer, 0);
  write(p[1], "x", 1);
  show_epoll(outer, 0);
  struct pollfd f = {outer, POLLIN};
  show_poll(&f, 1, 0);
}
CASE(epoll_wakes_and_mask) {
  int e = NEED(epoll_create1(0)), v = NEED(eventfd(0, 0));
  struct epoll_event ev = {EPOLLIN, {.u32 = 3}};
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, v, &ev));
  if (fork() == 0) { sleep_ms(30); eventfd_write(v, 1); _exit(0); }
  show_epoll(e, 5000);
  struct sigaction a = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &a, 0);
  sigset_t b, none;
  sigemptyset(&none);
  sigemptyset(&b);
  sigaddset(&b, SIGUSR1);
  sigprocmask(SIG_BLOCK, &b, 0);
  raise(SIGUSR1);
  eventfd_t x;
  eventfd_read(v, &x);
  CALL(epoll_pwait(e, &ev, 1, 1000, &none));
  VAL(caught);
  struct timespec t = {0, 1000};
  CALL(syscall(441, e, &ev, 1, &t, NULL, 8));
  CALL(syscall(441, e, &ev, 1, &(struct timespec){0, -5}, NULL, 8));
}
CASE(epoll_fairness) {
  int e = NEED(epoll_create1(0)), fds[4];
  for (int i = 0; i < 4; i++) {
    fds[i] = eventfd(1, 0);
    struct epoll_event v = {EPOLLIN, {.u32 = i}};
    NEED(epoll_ctl(e, EPOLL_CTL_ADD, fds[i], &v));
  }
  int seen = 0;
  for (int i = 0; i < 4; i++) {
    struct epoll_event v;
    NEED(epoll_wait(e, &v, 1, 0));
    seen |= 1 << v.data.u32;
  }
  VAL(seen);
}

// EPOLLEXCLUSIVE: of several epolls with somebody waiting, one event wakes one.
CASE(epoll_exclusive_wakes_one) {
  enum { N = 4 };
  int pipe_fds[2], ready[2];
  NEED(pipe(pipe_fds));
  NEED(pipe(ready));
  int *woken = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t pids[N];
  for (int i = 0; i < N; i++) {
    pids[i] = NEED(fork());
    if (pids[i] != 0) continue;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE};
    int ep = NEED(epoll_create1(0));
    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, pipe_fds[0], &event));
    if (epoll_wait(ep, &event, 1, -1) == 1) __sync_fetch_and_add(woken, 1);
    write(ready[1], "w", 1);
    pause();
    _exit(0);
  }
  for (int i = 0; i < N; i++) {
    char path[64], state = 0;
    while (state != 'S') {
      snprintf(path, sizeof path, "/proc/%d/stat", pids[i]);
      FILE *stat = fopen(path, "r");
      fscanf(stat, "%*d %*s %c", &state);
      fclose(stat);
    }
  }
  sleep_ms(100);
  char c;
  for (int i = 0; i < N; i++) {
    NEED(write(pipe_fds[1], "x", 1));
    NEED(read(ready[0], &c, 1));
    sleep_ms(50);
    say("after event %d: %d woken", i + 1, *woken);
  }
  for (int i = 0; i < N; i++) {
    kill(pids[i], SIGKILL);
    waitpid(pids[i], 0, 0);
  }
}
