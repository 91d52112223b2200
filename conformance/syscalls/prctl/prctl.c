// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/prctl.h>
#include <asm/prctl.h>
#include <sys/personality.h>
#include <sys/utsname.h>

CASE(prctl_name) {
  char b[32] = {0};
  CALL(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
  CALL(prctl(PR_GET_NAME, b));
  STR(b);
  CALL(prctl(PR_SET_NAME, BAD_POINTER));
  CALL(prctl(PR_GET_NAME, BAD_POINTER));
  int fd = NEED(open("/proc/self/comm", O_RDWR));
  memset(b, 0, sizeof b);
  read(fd, b, 31);
  STR(b);
  CALL(write(fd, "short\n", 6));
  prctl(PR_GET_NAME, b);
  STR(b);
}
// Once a change of name repeated the last change of memory: what had been written since was gone.
CASE(prctl_name_leaves_memory) {
  char *p = (char *)NEED(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  p[0] = 'k';
  CALL(prctl(PR_SET_NAME, "one"));
  VAL(p[0]);
  CALL(mprotect(p + 4096, 4096, PROT_READ));
  CALL(prctl(PR_SET_NAME, "two"));
  VAL(p[0]);
  CALL(munmap(p, 4096));
  char *q = (char *)NEED(mmap(p, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  q[1] = 'm';
  CALL(prctl(PR_SET_NAME, "three"));
  VAL(q[1]);
}
CASE(prctl_pdeathsig) {
  int v = 77, p[2], q[2];
  CALL(prctl(PR_GET_PDEATHSIG, &v));
  VAL(v);
  CALL(prctl(PR_SET_PDEATHSIG, 100));
  CALL(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  CALL(prctl(PR_GET_PDEATHSIG, &v));
  VAL(v);
  CHILD(int w; prctl(PR_GET_PDEATHSIG, &w); VAL(w));
  NEED(pipe(p)), NEED(pipe(q));
  CHILD(pid_t c = fork(); if (c == 0) { close(q[0]); prctl(PR_SET_PDEATHSIG, SIGKILL); write(p[1], "x", 1); for (;;) pause(); } char b; read(p[0], &b, 1));
  close(q[1]);
  char b;
  // End of file arrives when the grandchild, the only writer left, is gone.
  CALL(read(q[0], &b, 1));
}
CASE(prctl_dumpable) {
  CALL(prctl(PR_GET_DUMPABLE));
  CALL(prctl(PR_SET_DUMPABLE, 0));
  CALL(prctl(PR_GET_DUMPABLE));
  CALL(prctl(PR_SET_DUMPABLE, 2));
  CALL(prctl(PR_SET_DUMPABLE, 1));
}
CASE(prctl_no_new_privs) {
  CALL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  CALL(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
  CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CALL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  CHILD(CALL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
}
CASE(prctl_subreaper) {
  int v = 7, s;
  CALL(prctl(PR_GET_CHILD_SUBREAPER, &v));
  VAL(v);
  CALL(prctl(PR_SET_CHILD_SUBREAPER, 1));
  CALL(prctl(PR_GET_CHILD_SUBREAPER, &v));
  VAL(v);
  CHILD(if (fork() == 0) { sleep_ms(30); _exit(9); });
  YES(waitpid(-1, &s, 0) > 0);
  VAL(WEXITSTATUS(s));
}
CASE(prctl_misc) {
  CALL(prctl(9999));
  CALL(prctl(PR_GET_TIMERSLACK));
  CALL(prctl(PR_SET_TIMERSLACK, 1000));
  CALL(prctl(PR_GET_TIMERSLACK));
  CALL(prctl(PR_GET_SECCOMP));
  CALL(prctl(PR_GET_SECUREBITS));
  CALL(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
  CALL(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}
CASE(arch_prctl_calls) {
  unsigned long fs = 0, gs = 1;
  CALL(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
  YES(fs == (unsigned long)pthread_self());
  CALL(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
  VAL(gs);
  static long cell = 4242;
  CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, &cell));
  long v;
  __asm__ volatile("mov %%gs:0, %0" : "=r"(v));
  VAL(v);
  CALL(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000));
  CALL(syscall(SYS_arch_prctl, 0x9999, 0));
  CALL(syscall(SYS_arch_prctl, ARCH_GET_FS, BAD_POINTER));
}
CASE(personality_values) {
  CALL(personality(0xffffffff));
  CALL(personality(ADDR_NO_RANDOMIZE));
  CALL(personality(0xffffffff));
}

// What uname says and what /proc says is one thing.
CASE(uname_agrees_with_proc) {
  struct utsname names;
  NEED(uname(&names));
  char line[256] = "";
  const char *paths[] = {"/proc/sys/kernel/ostype", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/version"};
  const char *values[] = {names.sysname, names.release, names.version};
  for (int i = 0; i < 3; i++) {
    FILE *file = fopen(paths[i], "r");
    fgets(line, sizeof line, file);
    fclose(file);
    line[strcspn(line, "\n")] = 0;
    say("%s %s", paths[i], strcmp(line, values[i]) == 0 ? "agrees" : "differs");
  }
}

// STICKY_TIMEOUTS: select leaves the timeout alone.
CASE(sticky_timeouts) {
  NEED(personality(STICKY_TIMEOUTS));
  struct timeval left = {0, 10};
  CALL(select(0, 0, 0, 0, &left));
  VAL(left.tv_usec);
  NEED(personality(0));
  left.tv_usec = 10;
  CALL(select(0, 0, 0, 0, &left));
  VAL(left.tv_usec);
}

CASE(speculation_ctrl_arguments) {
  CALL(prctl(PR_GET_SPECULATION_CTRL, 0, -1L, 0, 0));
  CALL(prctl(PR_SET_SPECULATION_CTRL, 0, 0, 1, 0));
}
