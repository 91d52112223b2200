// SPDX-License-Identifier: Apache-2.0
// Executes damaged copies of itself: `attack_elf SEED COUNT`. A run of a damaged copy must end, however.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;
static uint64_t rnd(void) { state ^= state << 13; state ^= state >> 7; state ^= state << 17; return state; }

static unsigned char image[4 << 20];
static unsigned char copy[4 << 20];

static void run(const unsigned char *bytes, size_t length) {
  unlink("/tmp/damaged");
  int fd = open("/tmp/damaged", O_CREAT | O_WRONLY, 0755);
  if (write(fd, bytes, length) != (ssize_t)length) { close(fd); return; }
  close(fd);
  pid_t pid = fork();
  if (pid == 0) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0); dup2(null, 1); dup2(null, 2);
    alarm(2);
    execl("/tmp/damaged", "/tmp/damaged", "x", (char *)NULL);
    _exit(126);
  }
  int status = 0, waited = 0;
  while (waitpid(pid, &status, WNOHANG) == 0 && waited++ < 300) usleep(10000);
  if (waited > 300) { kill(pid, SIGKILL); waitpid(pid, &status, 0); }
}

int main(int argc, char **argv) {
  if (argc == 2) return 0;
  state = (argc > 1 ? strtoul(argv[1], NULL, 0) : 1) * 0x9e3779b97f4a7c15ul + 1;
  int count = argc > 2 ? atoi(argv[2]) : 100;
  int fd = open("/proc/self/exe", O_RDONLY);
  size_t length = 0;
  for (ssize_t n; (n = read(fd, image + length, sizeof image - length)) > 0;) length += (size_t)n;
  close(fd);
  static const uint64_t special[] = {0, 1, 4095, 4096, 0x7fffffff, 0xffffffff, 0x7fffffffb000, 0x7ffffffff000, 0x800000000000, 0x7fffffffffffffff, ~0ul, 0xffffffff80000000, 56, 64};
  for (int i = 0; i < count; i++) {
    memcpy(copy, image, length);
    size_t size = length;
    int changes = 1 + (int)(rnd() % 4);
    for (int c = 0; c < changes; c++) {
      size_t headers = 64 + 56 * 10;
      size_t at = rnd() % 3 == 0 ? rnd() % 64 : rnd() % headers;
      if (at < 7 && rnd() % 4) at += 16;
      switch (rnd() % 4) {
        case 0: copy[at] = (unsigned char)rnd(); break;
        case 1: memcpy(copy + at / 8 * 8, &special[rnd() % (sizeof special / sizeof *special)], 8); break;
        case 2: memcpy(copy + at / 4 * 4, &special[rnd() % (sizeof special / sizeof *special)], 4); break;
        default: if (rnd() % 8 == 0) size = rnd() % length; else copy[at] ^= (unsigned char)(1u << rnd() % 8);
      }
    }
    run(copy, size);
  }
  // Interpreters that are not.
  static const char *const scripts[] = {"#!", "#!\n", "#! \n", "#!/tmp/damaged\n", "#!/nonexistent\n", "#!/bin", "#!/bin/sh -c -c -c\nexit", "#!\xff\xff\xff\xff", "\x7f" "ELF", "\x7f", ""};
  for (unsigned i = 0; i < sizeof scripts / sizeof *scripts; i++) run((const unsigned char *)scripts[i], strlen(scripts[i]));
  memset(copy, '#', 100000);
  run(copy, 100000);
  memset(copy, 'a', 100000);
  memcpy(copy, "#!/", 3);
  run(copy, 100000);
  printf("all ended\n");
  return 0;
}
