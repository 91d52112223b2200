// SPDX-License-Identifier: Apache-2.0
// Small loops that time themselves: prints microseconds a turn. usage: calls getppid|pingpong|forkexec|fork64 N
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void getppid_loop(int n) {
  for (int i = 0; i < n; i++) syscall(SYS_getppid);
}

static void pingpong(int n) {
  int there[2], back[2];
  char b = 0;
  if (pipe(there) != 0 || pipe(back) != 0) exit(1);
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < n; i++)
      if (read(there[0], &b, 1) != 1 || write(back[1], &b, 1) != 1) _exit(1);
    _exit(0);
  }
  for (int i = 0; i < n; i++)
    if (write(there[1], &b, 1) != 1 || read(back[0], &b, 1) != 1) exit(1);
  waitpid(child, 0, 0);
}

static void forkexec(int n) {
  for (int i = 0; i < n; i++) {
    pid_t child = fork();
    if (child == 0) {
      execl("/bin/true", "true", (char *)0);
      _exit(1);
    }
    waitpid(child, 0, 0);
  }
}

static void fork64(int n) {
  memset(malloc(64 << 20), 1, 64 << 20);
  for (int i = 0; i < n; i++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, 0, 0);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int n = atoi(argv[2]);
  double start = now();
  if (!strcmp(argv[1], "getppid")) getppid_loop(n);
  else if (!strcmp(argv[1], "pingpong")) pingpong(n);
  else if (!strcmp(argv[1], "forkexec")) forkexec(n);
  else if (!strcmp(argv[1], "fork64")) fork64(n);
  else return 2;
  printf("%.3f\n", (now() - start) / n);
  return 0;
}
