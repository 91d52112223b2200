// SPDX-License-Identifier: Apache-2.0
// For the sandbox only: takes 512 MB where a limit of 128 MB is set. `past_the_limit noreserve|shared|tmpfs|small|forks`.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MB = 1 << 20, TAKE = 512 };
static char block[MB];

static void touch(char *at) {
  if (at == MAP_FAILED) _exit(3);
  for (long i = 0; i < TAKE; i++) memset(at + i * MB, 1, MB);
}
static void fill(int size) {
  char name[64];
  for (long i = 0, left = (long)TAKE * MB; left > 0; i++) {
    snprintf(name, sizeof name, "/tmp/fill.%ld", i);
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    for (int in = 0; in < size; in += MB)
      if (write(fd, block, size < MB ? size : MB) < 0) _exit(3);
    close(fd);
    left -= size;
  }
}
static void take(const char *how) {
  if (!strcmp(how, "noreserve")) touch(mmap(0, (long)TAKE * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (!strcmp(how, "shared")) touch(mmap(0, (long)TAKE * MB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (!strcmp(how, "tmpfs")) fill(64 * MB);
  if (!strcmp(how, "small")) fill(40000);
  if (!strcmp(how, "forks")) {
    char *at = mmap(0, 64l * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(at, 1, 64l * MB);
    for (int i = 0; i < 8; i++)
      if (fork() == 0) { memset(at, i, 64l * MB); pause(); }
    for (int status; wait(&status) > 0;)
      if (WIFSIGNALED(status)) { printf("a child was killed by %d\n", WTERMSIG(status)); exit(0); }
  }
  puts("took it all");
}
int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IONBF, 0);
  pid_t child = fork();
  if (child == 0) { take(argv[1]); _exit(0); }
  int status;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("killed by %d\n", WTERMSIG(status));
  else printf("status %d\n", WEXITSTATUS(status));
  return 0;
}
