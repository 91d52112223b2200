// SPDX-License-Identifier: Apache-2.0
// Throughput between two processes with 64 KiB writes: prints MB/s.
// usage: streams pipe|unix|loopback MEGABYTES | streams send PORT MEGABYTES | streams recv PORT | streams out MEGABYTES | streams in
//        streams sink | streams source MEGABYTES: the other end of send and recv: print a port, serve one connection
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536
static char buffer[CHUNK];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void feed(int fd, long megabytes) {
  for (long left = megabytes * 16; left > 0; left--)
    for (int done = 0; done < CHUNK;) {
      ssize_t n = write(fd, buffer + done, CHUNK - done);
      if (n <= 0) die("write");
      done += n;
    }
}

static long drain(int fd) {
  long total = 0;
  for (;;) {
    ssize_t n = read(fd, buffer, CHUNK);
    if (n < 0) die("read");
    if (n == 0) return total;
    total += n;
  }
}

static void pair(const char *kind, int fds[2]) {
  if (!strcmp(kind, "pipe")) {
    if (pipe(fds)) die("pipe");
  } else if (!strcmp(kind, "unix")) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) die("socketpair");
  } else {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&a, sizeof a) || listen(listener, 1) || getsockname(listener, (void *)&a, &length)) die("listen");
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fds[1], (void *)&a, sizeof a)) die("connect");
    fds[0] = accept(listener, 0, 0);
    close(listener);
  }
}

static int answer(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof a;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (void *)&a, sizeof a) || listen(listener, 1) || getsockname(listener, (void *)&a, &length)) die("listen");
  printf("%d\n", ntohs(a.sin_port));
  fflush(stdout);
  return accept(listener, 0, 0);
}

static int dial(int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (void *)&a, sizeof a)) die("connect");
  return fd;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  memset(buffer, 'x', CHUNK);
  double start = now();
  long bytes = 0;
  if (!strcmp(argv[1], "send")) {
    int fd = dial(atoi(argv[2]));
    feed(fd, atol(argv[3]));
    shutdown(fd, SHUT_WR);
    drain(fd);
    bytes = atol(argv[3]) << 20;
  } else if (!strcmp(argv[1], "recv")) {
    bytes = drain(dial(atoi(argv[2])));
  } else if (!strcmp(argv[1], "sink")) {
    drain(answer());
    return 0;
  } else if (!strcmp(argv[1], "source")) {
    feed(answer(), atol(argv[2]));
    return 0;
  } else if (!strcmp(argv[1], "out")) {
    // The result goes to standard error: standard output is what is measured.
    feed(1, atol(argv[2]));
    fprintf(stderr, "%.1f\n", (atol(argv[2]) << 20) / 1e6 / (now() - start));
    return 0;
  } else if (!strcmp(argv[1], "in")) {
    bytes = drain(0);
  } else {
    int fds[2];
    pair(argv[1], fds);
    pid_t child = fork();
    if (child == 0) {
      close(fds[0]);
      feed(fds[1], atol(argv[2]));
      _exit(0);
    }
    close(fds[1]);
    bytes = drain(fds[0]);
    waitpid(child, 0, 0);
  }
  printf("%.1f\n", bytes / 1e6 / (now() - start));
  return 0;
}
