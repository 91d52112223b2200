// SPDX-License-Identifier: Apache-2.0
// For the sandbox only: executes a program whose headers were changed at random, again and again.
// Usage: fuzz_elf SEED COUNT PROGRAM. Prints "end".
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}
int main(int argc, char **argv) {
  static unsigned char original[4 << 20], changed[4 << 20];
  state = 0x9e3779b97f4a7c15ull * (atol(argv[1]) + 1);
  int fd = open(argv[3], O_RDONLY);
  ssize_t size = read(fd, original, sizeof original);
  close(fd);
  for (long i = 0; i < atol(argv[2]); i++) {
    memcpy(changed, original, size);
    static const uint64_t edges[] = {0, 1, 0xfff, 0x1000, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff, 1ull << 47};
    for (int n = next() % 4 + 1; n > 0; n--) {
      // The ELF header and the first program headers.
      size_t at = next() % 3 ? next() % (64 + 13 * 56) : 64 + next() % 13 * 56 + next() % 7 * 8;
      if (next() % 2) changed[at] = next();
      else { uint64_t v = next() % 2 ? edges[next() % 9] : next(); memcpy(changed + at, &v, 8); }
    }
    int out = open("/tmp/changed", O_CREAT | O_TRUNC | O_WRONLY, 0755);
    if (write(out, changed, next() % 8 ? size : next() % size) < 0) return 1;
    close(out);
    pid_t c = fork();
    if (c == 0) {
      alarm(2);
      int null = open("/dev/null", O_RDWR);
      dup2(null, 0), dup2(null, 1), dup2(null, 2);
      execl("/tmp/changed", "changed", "argument", NULL);
      _exit(1);
    }
    waitpid(c, 0, 0);
  }
  write(1, "end\n", 4);
  return 0;
}
