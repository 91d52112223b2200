// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/ioctl.h>

CASE(pipe_basic) {
  int p[2];
  char b[16] = {0};
  CALL(pipe(p));
  CALL(write(p[1], "hello", 5));
  CALL(read(p[0], b, 3));
  CALL(read(p[0], b, 16));
  BYTES(b, 2);
  CALL(write(p[0], "x", 1));
  CALL(read(p[1], b, 1));
  close(p[1]);
  CALL(read(p[0], b, 1));
  CALL(pipe(BAD_POINTER));
  CALL(pipe2(p, O_CLOEXEC | O_NONBLOCK));
  VAL(fcntl(p[0], F_GETFD));
  OCT(fcntl(p[0], F_GETFL));
  OCT(fcntl(p[1], F_GETFL));
  CALL(pipe2(p, O_APPEND));
  struct stat st;
  NEED(fstat(p[0], &st));
  OCT(st.st_mode);
}
CASE(pipe_nonblock) {
  int p[2], q[2];
  char b[8192];
  memset(b, 'x', sizeof b);
  NEED(pipe2(p, O_NONBLOCK));
  CALL(read(p[0], b, 1));
  long total = 0, n;
  while ((n = write(p[1], b, 4096)) > 0) total += n;
  VAL(total);
  CALL(write(p[1], b, 1));
  CALL(read(p[0], b, 100));
  CALL(write(p[1], b, 4096));
  CALL(write(p[1], b, 50));
  CALL(read(p[0], b, 8192));
  CALL(write(p[1], b, 8192));
  int avail;
  CALL(ioctl(p[0], FIONREAD, &avail));
  VAL(avail > 60000);
  close(p[1]);
  NEED(pipe(q));
  VAL(fcntl(q[0], F_GETPIPE_SZ));
}
CASE(pipe_size) {
  int p[2];
  NEED(pipe2(p, O_NONBLOCK));
  CALL(fcntl(p[0], F_SETPIPE_SZ, 4096));
  VAL(fcntl(p[1], F_GETPIPE_SZ));
  char b[8192] = {0};
  CALL(write(p[1], b, 8192));
  CALL(write(p[1], b, 1));
  CALL(fcntl(p[0], F_SETPIPE_SZ, 5000));
  CALL(fcntl(p[0], F_SETPIPE_SZ, 100000));
  CALL(fcntl(p[0], F_SETPIPE_SZ, -1));
  CALL(fcntl(0, F_GETPIPE_SZ));
}
CASE(pipe_sigpipe) {
  int p[2];
  NEED(pipe(p));
  close(p[0]);
  CHILD(write(p[1], "x", 1));
  signal(SIGPIPE, SIG_IGN);
  CALL(write(p[1], "x", 1));
  CALL(write(p[1], "", 0));
}
CASE(pipe_blocking_transfer) {
  int p[2];
  NEED(pipe(p));
  pid_t c = fork();
  if (c == 0) {
    close(p[0]);
    char b[10000];
    for (int i = 0; i < 100; i++) {
      memset(b, 'a' + i % 26, sizeof b);
      if (write(p[1], b, sizeof b) != sizeof b) say("short write");
    }
    _exit(0);
  }
  close(p[1]);
  long total = 0, sum = 0, n;
  char b[7001];
  while ((n = read(p[0], b, sizeof b)) > 0) {
    total += n;
    for (int i = 0; i < n; i++) sum += b[i];
  }
  VAL(total);
  VAL(sum);
  report_end("writer", c);
}
static void nothing(int s) {}
CASE(pipe_read_interrupted) {
  int p[2];
  char b;
  NEED(pipe(p));
  struct sigaction a = {.sa_handler = nothing};
  sigaction(SIGALRM, &a, 0);
  struct itimerval t = {{0, 0}, {0, 30000}};
  setitimer(ITIMER_REAL, &t, 0);
  CALL(read(p[0], &b, 1));
  a.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &a, 0);
  setitimer(ITIMER_REAL, &t, 0);
  pid_t c = fork();
  if (c == 0) { sleep_ms(120); write(p[1], "x", 1); _exit(0); }
  CALL(read(p[0], &b, 1));
  report_end("child", c);
}
CASE(pipe_write_interrupted_partial) {
  int p[2];
  NEED(pipe(p));
  struct sigaction a = {.sa_handler = nothing};
  sigaction(SIGALRM, &a, 0);
  struct itimerval t = {{0, 0}, {0, 30000}};
  static char b[100000];
  setitimer(ITIMER_REAL, &t, 0);
  CALL(write(p[1], b, sizeof b));
  setitimer(ITIMER_REAL, &t, 0);
  CALL(write(p[1], b, 10));
}
CASE(pipe_partial_fault) {
  int p[2];
  NEED(pipe2(p, O_NONBLOCK));
  char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(m + 4096, 4096);
  CALL(write(p[1], NULL, 5));
  CALL(write(p[1], "0123456789", 10));
  CALL(read(p[0], NULL, 5));
  CALL(read(p[0], m, 5));
}
CASE(fifo_open_rules) {
  NEED(mkfifo("p", 0600));
  CALL(mkfifo("p", 0600));
  CALL(open("p", O_WRONLY | O_NONBLOCK));
  int r = OK(open("p", O_RDONLY | O_NONBLOCK));
  char b[8];
  CALL(read(r, b, 8));
  int w = OK(open("p", O_WRONLY | O_NONBLOCK));
  CALL(read(r, b, 8));
  CALL(write(w, "abc", 3));
  CALL(read(r, b, 8));
  close(w);
  CALL(read(r, b, 8));
  close(r);
  int rw = OK(open("p", O_RDWR));
  CALL(write(rw, "xy", 2));
  CALL(read(rw, b, 8));
  CALL(lseek(rw, 0, SEEK_SET));
  CALL(ftruncate(rw, 0));
}
CASE(fifo_open_waits) {
  NEED(mkfifo("p", 0600));
  pid_t c = fork();
  if (c == 0) {
    sleep_ms(50);
    int w = open("p", O_WRONLY);
    write(w, "hi", 2);
    _exit(0);
  }
  char b[8] = {0};
  int r = OK(open("p", O_RDONLY));
  CALL(read(r, b, 8));
  BYTES(b, 2);
  CALL(read(r, b, 8));
  report_end("writer", c);
  c = fork();
  if (c == 0) {
    sleep_ms(50);
    open("p", O_RDONLY);
    _exit(0);
  }
  close(r);
  int w = OK(open("p", O_WRONLY));
  report_end("reader", c);
}
CASE(fifo_open_interrupted) {
  NEED(mkfifo("p", 0600));
  struct sigaction a = {.sa_handler = nothing};
  sigaction(SIGALRM, &a, 0);
  struct itimerval t = {{0, 0}, {0, 30000}};
  setitimer(ITIMER_REAL, &t, 0);
  CALL(open("p", O_RDONLY));
  setitimer(ITIMER_REAL, &t, 0);
  CALL(open("p", O_WRONLY));
}
CASE(pipe_proc_reopen) {
  int p[2];
  char path[64], b[8];
  NEED(pipe(p));
  sprintf(path, "/proc/self/fd/%d", p[0]);
  int w = OK(open(path, O_WRONLY));
  CALL(write(w, "x", 1));
  CALL(read(p[0], b, 8));
  char l[64];
  ssize_t n = readlink(path, l, 63);
  l[n] = 0;
  YES(strncmp(l, "pipe:[", 6) == 0);
}
CASE(pipe_atomic_writes) {
  // PIPE_BUF writes of two processes never mix.
  int p[2];
  NEED(pipe(p));
  for (int k = 0; k < 2; k++)
    if (fork() == 0) {
      char b[512];
      memset(b, 'A' + k, sizeof b);
      for (int i = 0; i < 200; i++) write(p[1], b, sizeof b);
      _exit(0);
    }
  close(p[1]);
  char b[512];
  int mixed = 0, count = 0;
  for (;;) {
    size_t got = 0;
    while (got < 512) {
      ssize_t n = read(p[0], b + got, 512 - got);
      if (n <= 0) goto done;
      got += n;
    }
    count++;
    for (int i = 1; i < 512; i++) mixed += b[i] != b[0];
  }
done:
  VAL(count);
  VAL(mixed);
}

/* Many readers wait on one pipe: what one leaves is for the next, and the end is for all. */
CASE(many_readers) {
  int p[2], status, got = 0, ended = 0;
  NEED(pipe(p));
  for (int i = 0; i < 8; i++)
    if (fork() == 0) {
      char b;
      close(p[1]);
      _exit(read(p[0], &b, 1));
    }
  usleep(50000);
  VAL(write(p[1], "abc", 3));
  VAL(write(p[1], "d", 1));
  usleep(50000);
  VAL(write(p[1], "e", 1));
  for (int i = 0; i < 5; i++) {
    NEED(wait(&status));
    got += WEXITSTATUS(status);
  }
  close(p[1]);
  while (wait(&status) > 0) ended += WEXITSTATUS(status) == 0;
  VAL(got);
  VAL(ended);
}
