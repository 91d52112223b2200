// SPDX-License-Identifier: Apache-2.0
// Many things at once; what is printed are sums and invariants that must hold whatever the order.
#include "case.h"
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <stdatomic.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long total;
static void *fork_and_wait(void *n) {
  for (int i = 0; i < (long)n; i++) {
    pid_t c = fork();
    if (c == 0) _exit(i & 127);
    int s;
    if (waitpid(c, &s, 0) != c || WEXITSTATUS(s) != (i & 127)) say("wrong child");
    pthread_mutex_lock(&lock), total++, pthread_mutex_unlock(&lock);
  }
  return 0;
}
CASE(threads_fork_at_once) {
  pthread_t t[4];
  for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, fork_and_wait, (void *)15);
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
  VAL(total);
}
CASE(tree_of_processes) {
  // Three levels of four; each passes its number up through the exit status.
  int sum = 0;
  for (int i = 0; i < 4; i++)
    if (fork() == 0) {
      int inner = 0, s;
      for (int j = 0; j < 4; j++)
        if (fork() == 0) {
          int leaf = 0;
          for (int k = 0; k < 4; k++) if (fork() == 0) _exit(1);
          while (wait(&s) > 0) leaf += WEXITSTATUS(s);
          _exit(leaf);
        }
      while (wait(&s) > 0) inner += WEXITSTATUS(s);
      _exit(inner);
    }
  int s;
  while (wait(&s) > 0) sum += WEXITSTATUS(s);
  VAL(sum);
}
static int ring[8][2];
CASE(ring_of_pipes) {
  for (int i = 0; i < 8; i++) NEED(pipe(ring[i]));
  for (int i = 0; i < 7; i++)
    if (fork() == 0) {
      int v;
      while (read(ring[i][0], &v, 4) == 4 && v >= 0) v++, write(ring[i + 1][1], &v, 4);
      v = -1;
      write(ring[i + 1][1], &v, 4);
      _exit(0);
    }
  int v = 0;
  for (int i = 0; i < 100; i++) { write(ring[0][1], &v, 4); read(ring[7][0], &v, 4); }
  VAL(v);
  v = -1;
  write(ring[0][1], &v, 4);
  int s, n = 0;
  while (wait(&s) > 0) n++;
  VAL(n);
}
static _Atomic int signals;
static void on_signal(int s) { signals++; }
static volatile int stop;
static void *work_with_signals(void *unused) {
  char b[64];
  int p[2];
  pipe(p);
  while (!stop) { write(p[1], "0123456789", 10); if (read(p[0], b, 10) != 10) say("short read"); }
  return 0;
}
CASE(signals_while_threads_work) {
  struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  pthread_t t[3];
  sigaction(SIGUSR1, &a, 0);
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, work_with_signals, 0);
  for (int i = 0; i < 300; i++) pthread_kill(t[i % 3], SIGUSR1);
  for (int i = 0; i < 50; i++) kill(getpid(), SIGUSR1);
  sleep_ms(20);
  stop = 1;
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  YES(signals > 0 && signals <= 350);
}
static int shared_pipe[2];
static void *consumer(void *unused) {
  long sum = 0;
  int v;
  while (read(shared_pipe[0], &v, 4) == 4) sum += v;
  return (void *)sum;
}
static void *producer(void *unused) {
  for (int i = 1; i <= 500; i++) write(shared_pipe[1], &i, 4);
  return 0;
}
CASE(many_readers_and_writers_of_one_pipe) {
  pthread_t w[3], r[3];
  void *out;
  long sum = 0;
  NEED(pipe(shared_pipe));
  for (int i = 0; i < 3; i++) pthread_create(&r[i], 0, consumer, 0), pthread_create(&w[i], 0, producer, 0);
  for (int i = 0; i < 3; i++) pthread_join(w[i], 0);
  close(shared_pipe[1]);
  for (int i = 0; i < 3; i++) pthread_join(r[i], &out), sum += (long)out;
  VAL(sum);
}
static int epoll_fd, event_fds[8];
static _Atomic long events_seen;
static void *epoll_worker(void *unused) {
  struct epoll_event v;
  while (!stop)
    if (epoll_wait(epoll_fd, &v, 1, 20) == 1) {
      uint64_t n;
      if (read(v.data.fd, &n, 8) == 8) events_seen += n;
    }
  return 0;
}
CASE(epoll_shared_by_threads) {
  pthread_t t[3];
  epoll_fd = NEED(epoll_create1(0));
  for (int i = 0; i < 8; i++) {
    event_fds[i] = NEED(eventfd(0, EFD_NONBLOCK));
    struct epoll_event v = {EPOLLIN | EPOLLET, {.fd = event_fds[i]}};
    NEED(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fds[i], &v));
  }
  for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, epoll_worker, 0);
  for (int i = 0; i < 800; i++) eventfd_write(event_fds[i % 8], 1);
  for (int i = 0; i < 300 && events_seen < 800; i++) sleep_ms(5);
  stop = 1;
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  VAL(events_seen);
}
static void *map_and_unmap(void *seed) {
  unsigned s = (long)seed;
  for (int i = 0; i < 150; i++) {
    s = s * 1103515245 + 12345;
    size_t n = ((s >> 16) % 16 + 1) * 4096;
    char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { say("mmap failed"); break; }
    memset(p, i, n);
    mprotect(p, 4096, PROT_READ);
    if (p[0] != (char)i || p[n - 1] != (char)i) say("wrong content");
    munmap(p, n);
  }
  return 0;
}
CASE(threads_map_at_once) {
  pthread_t t[4];
  for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, map_and_unmap, (void *)(i + 1));
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
  say("done");
}
static _Atomic int spinning;
static void *spin_until(void *unused) { spinning++; while (!stop) {} return 0; }
CASE(fork_while_threads_run) {
  pthread_t t[2];
  for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, spin_until, 0);
  while (spinning < 2) {}
  for (int i = 0; i < 10; i++) CHILD(_exit(i));
  stop = 1;
  for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
}
CASE(kill_process_with_busy_threads) {
  pid_t c = fork();
  if (c == 0) {
    pthread_t t;
    for (int i = 0; i < 3; i++) pthread_create(&t, 0, spin_until, 0);
    for (int i = 0; i < 2; i++) pthread_create(&t, 0, work_with_signals, 0);
    for (;;) pause();
  }
  sleep_ms(100);
  kill(c, SIGKILL);
  report_end("child", c);
}
CASE(exec_while_threads_run) {
  CHILD(pthread_t t; for (int i = 0; i < 3; i++) pthread_create(&t, 0, spin_until, 0); while (spinning < 3) {} execl("/bin/sh", "sh", "-c", "exit 7", NULL));
}
static void *exit_group_soon(void *unused) { sleep_ms(10); exit(6); }
CASE(exit_while_threads_run) {
  CHILD(pthread_t t; for (int i = 0; i < 3; i++) pthread_create(&t, 0, spin_until, 0); pthread_create(&t, 0, exit_group_soon, 0); for (;;) pause());
}
static int victim;
static void *read_victim(void *unused) { char b; return (void *)read(victim, &b, 1); }
CASE(close_while_another_thread_reads) {
  // The read keeps the file: it ends when data comes, not when the number is closed.
  int p[2];
  pthread_t t;
  void *r;
  NEED(pipe(p));
  victim = p[0];
  signal(SIGPIPE, SIG_IGN);
  pthread_create(&t, 0, read_victim, 0);
  sleep_ms(300);
  CALL(close(p[0]));
  CALL(open("/dev/null", O_RDONLY) == p[0]);
  CALL(write(p[1], "x", 1));
  pthread_join(t, &r);
  VAL((long)r);
  CALL(write(p[1], "x", 1));
}
static void *appender(void *name) {
  int fd = open("log", O_WRONLY | O_APPEND);
  char line[32];
  memset(line, (long)name, 31), line[31] = '\n';
  for (int i = 0; i < 100; i++) write(fd, line, 32);
  close(fd);
  return 0;
}
CASE(appends_do_not_mix) {
  make_file("log", "", 0600);
  pthread_t t[2];
  pthread_create(&t[0], 0, appender, (void *)'a'), pthread_create(&t[1], 0, appender, (void *)'b');
  if (fork() == 0) { appender((void *)'c'); _exit(0); }
  appender((void *)'d');
  pthread_join(t[0], 0), pthread_join(t[1], 0);
  wait(0);
  char b[32];
  int fd = NEED(open("log", O_RDONLY)), lines = 0, mixed = 0;
  while (read(fd, b, 32) == 32) { lines++; for (int i = 1; i < 31; i++) mixed += b[i] != b[0]; mixed += b[31] != '\n'; }
  VAL(lines);
  VAL(mixed);
}
CASE(create_rename_unlink_race) {
  for (int k = 0; k < 3; k++)
    if (fork() == 0) {
      char mine[32];
      sprintf(mine, "f%d", k);
      for (int i = 0; i < 100; i++) {
        int fd = open(mine, O_CREAT | O_RDWR | O_EXCL, 0600);
        if (fd < 0) say("create failed: %s", errno_name(errno));
        close(fd);
        if (rename(mine, "target")) say("rename failed: %s", errno_name(errno));
      }
      _exit(0);
    }
  while (wait(0) > 0) {}
  CALL(unlink("target"));
  DIR *d = opendir(".");
  int n = 0;
  while (readdir(d)) n++;
  VAL(n);
}
