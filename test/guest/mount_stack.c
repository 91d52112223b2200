// SPDX-License-Identifier: Apache-2.0
// Stacks mounts until there may be no more, then copies the tree.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

int main(void) {
  mkdir("/tmp/mount_stack_a", 0700);
  mkdir("/tmp/mount_stack_b", 0700);
  long n = 0;
  while (n < 200000 && mount("x", "/tmp/mount_stack_a", "tmpfs", 0, "") == 0) n++;
  printf("%s\n", n > 1000 && n < 200000 ? "bounded" : "not bounded");
  for (int i = 0; i < 3000; i++) umount2("/tmp/mount_stack_a", MNT_DETACH);
  printf("bind %d\n", mount("/tmp", "/tmp/mount_stack_b", NULL, MS_BIND | MS_REC, NULL));
  printf("namespace %d\n", unshare(CLONE_NEWNS));
  return 0;
}
