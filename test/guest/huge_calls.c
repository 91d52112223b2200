// SPDX-License-Identifier: Apache-2.0
// For the sandbox only: calls over ranges so large that they must be done in turns. `huge_calls mincore|terminal`.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *reserve(size_t n) { return mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); }
int main(int argc, char **argv) {
  write(1, "start\n", 6);
  alarm(1);
  if (strcmp(argv[1], "mincore") == 0) mincore(reserve(1ul << 46), 1ul << 46, reserve(1ul << 34));
  else for (int fd = open("/dev/ptmx", O_RDWR);;) write(fd, reserve(1ul << 31), 1ul << 31);
  return 0;
}
