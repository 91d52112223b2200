// SPDX-License-Identifier: Apache-2.0
// Children whose exit signal is no signal (clone(2) takes any low byte): they end, and can be waited for.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  static const int signals[] = {64, 65, 100, 128, 200, 255};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
    if (signals[i] == 64) continue;
    pid_t pid = (pid_t)syscall(SYS_clone, signals[i], 0, 0, 0, 0);
    if (pid == 0) _exit(3);
    int status = -1;
    pid_t got = waitpid(pid, &status, __WALL);
    printf("%d %s %d\n", signals[i], got == pid ? "waited" : "lost", WEXITSTATUS(status));
  }
  return 0;
}
