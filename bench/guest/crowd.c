// SPDX-License-Identifier: Apache-2.0
// What one operation costs while many things exist: prints "kind count op us" lines.
// usage: crowd threads|processes|readers|descriptors|epoll COUNT...
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
static void die(const char *what) {
  perror(what);
  exit(1);
}

static const char *kind;
static int count;
static void report(const char *op, double us) { printf("%s %d %s %.2f\n", kind, count, op, us); }

#define TIME(op, times, body)                                  \
  do {                                                         \
    for (int i = 0; i < (times) / 4; i++) { body; }            \
    double start_ = now();                                     \
    for (int i = 0; i < (times); i++) { body; }                \
    report(op, (now() - start_) / (times));                    \
  } while (0)

static int there[2], back[2];
static void *echo(void *arg) {
  char b;
  (void)arg;
  while (read(there[0], &b, 1) == 1 && b != 'q') (void)!write(back[1], &b, 1);
  return 0;
}
static void pingpong(void) {
  char b = 'x';
  (void)!write(there[1], &b, 1);
  (void)!read(back[0], &b, 1);
}
static void fork_once(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, 0, 0);
}
static void *nothing(void *arg) { return arg; }
static void thread_once(void) {
  pthread_t t;
  if (pthread_create(&t, 0, nothing, 0) == 0) pthread_join(t, 0);
}
static void common(void) {
  TIME("getppid", 4000, syscall(SYS_getppid));
  pthread_t t;
  if (pipe(there) || pipe(back) || pthread_create(&t, 0, echo, 0)) die("echo");
  TIME("pingpong", 1000, pingpong());
  (void)!write(there[1], "q", 1);
  pthread_join(t, 0);
  close(there[0]), close(there[1]), close(back[0]), close(back[1]);
}

static int block[2];
static void *sleeper(void *arg) {
  char b;
  (void)!read(block[0], &b, 1);
  return arg;
}
static void threads(void) {
  pthread_t *all = calloc(count, sizeof *all);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 65536);
  if (pipe(block)) die("pipe");
  double start = now();
  for (int i = 0; i < count; i++)
    if ((errno = pthread_create(&all[i], &attr, sleeper, 0))) die("pthread_create");
  report("create", (now() - start) / count);
  common();
  TIME("thread", 200, thread_once());
  close(block[1]);
  start = now();
  for (int i = 0; i < count; i++) pthread_join(all[i], 0);
  report("end", (now() - start) / count);
  close(block[0]);
  free(all);
}
static void processes(void) {
  if (pipe(block)) die("pipe");
  double start = now();
  for (int i = 0; i < count; i++) {
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
      close(block[1]);
      sleeper(0);
      _exit(0);
    }
  }
  report("create", (now() - start) / count);
  common();
  // The newest process: last in every list there may be.
  pid_t last = fork();
  if (last == 0) {
    TIME("getppid-last", 4000, syscall(SYS_getppid));
    _exit(0);
  }
  waitpid(last, 0, 0);
  TIME("fork", 100, fork_once());
  close(block[1]);
  start = now();
  for (int i = 0; i < count; i++)
    if (wait(0) < 0) die("wait");
  report("end", (now() - start) / count);
  close(block[0]);
}
/* Threads that all wait to read the same pipe: one byte is for one of them. */
static void readers(void) {
  pthread_t *all = calloc(count, sizeof *all);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 65536);
  if (pipe(there) || pipe(back)) die("pipe");
  for (int i = 0; i < count; i++)
    if ((errno = pthread_create(&all[i], &attr, echo, 0))) die("pthread_create");
  TIME("pingpong", 1000, pingpong());
  close(there[1]);
  for (int i = 0; i < count; i++) pthread_join(all[i], 0);
  close(there[0]), close(back[0]), close(back[1]);
  free(all);
}
static void raise_limit(int n) {
  struct rlimit r;
  getrlimit(RLIMIT_NOFILE, &r);
  if (r.rlim_cur >= (rlim_t)n) return;
  r.rlim_cur = n;
  if (r.rlim_max < r.rlim_cur) r.rlim_max = r.rlim_cur;
  if (setrlimit(RLIMIT_NOFILE, &r)) die("RLIMIT_NOFILE");
}
static void descriptors(void) {
  raise_limit(count + 64);
  int *all = calloc(count, sizeof *all);
  double start = now();
  for (int i = 0; i < count; i++)
    if ((all[i] = eventfd(0, EFD_NONBLOCK)) < 0) die("eventfd");
  report("create", (now() - start) / count);
  TIME("getppid", 4000, syscall(SYS_getppid));
  TIME("dup-close", 2000, close(dup(0)));
  long one = 1;
  TIME("write-read", 2000, (void)!write(all[count - 1], &one, 8); (void)!read(all[count - 1], &one, 8));
  start = now();
  for (int i = 0; i < count; i++) close(all[i]);
  report("end", (now() - start) / count);
  free(all);
}
static void epolls(void) {
  raise_limit(count + 64);
  int *all = calloc(count, sizeof *all), ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN}, got[8];
  double start = now();
  for (int i = 0; i < count; i++) {
    if ((all[i] = eventfd(0, EFD_NONBLOCK)) < 0) die("eventfd");
    e.data.fd = all[i];
    if (epoll_ctl(ep, EPOLL_CTL_ADD, all[i], &e)) die("epoll_ctl");
  }
  report("create", (now() - start) / count);
  long one = 1;
  TIME("wait-none", 2000, if (epoll_wait(ep, got, 8, 0) != 0) die("epoll_wait"));
  TIME("wait-one", 2000, int fd = all[(i * 7919) % count]; (void)!write(fd, &one, 8);
       if (epoll_wait(ep, got, 8, -1) != 1 || got[0].data.fd != fd) die("epoll_wait"); (void)!read(fd, &one, 8));
  e.data.fd = all[0];
  TIME("del-add", 1000, epoll_ctl(ep, EPOLL_CTL_DEL, all[0], 0); epoll_ctl(ep, EPOLL_CTL_ADD, all[0], &e));
  start = now();
  for (int i = 0; i < count; i++) close(all[i]);
  report("end", (now() - start) / count);
  close(ep);
  free(all);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  kind = argv[1];
  setvbuf(stdout, 0, _IOLBF, 0);
  for (int i = 2; i < argc; i++) {
    count = atoi(argv[i]);
    if (!strcmp(kind, "threads")) threads();
    else if (!strcmp(kind, "processes")) processes();
    else if (!strcmp(kind, "readers")) readers();
    else if (!strcmp(kind, "descriptors")) descriptors();
    else if (!strcmp(kind, "epoll")) epolls();
    else return 2;
  }
  return 0;
}
