// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

CASE(dev_null_zero_full) {
  char b[16] = "xxxxxxxxxxxxxxx";
  int n = OK(open("/dev/null", O_RDWR)), z = OK(open("/dev/zero", O_RDWR)), f = OK(open("/dev/full", O_RDWR));
  CALL(read(n, b, 16));
  CALL(write(n, b, 16));
  CALL(read(z, b, 16));
  VAL(b[0] + b[15]);
  CALL(write(z, b, 16));
  CALL(read(f, b, 16));
  CALL(write(f, b, 16));
  CALL(ftruncate(n, 0));
  CALL(ioctl(n, TIOCGWINSZ, b));
  CALL(lseek(z, 100, SEEK_SET));
  CALL(read(z, BAD_POINTER, 16));
}
CASE(dev_random) {
  char a[32], b[32];
  int r = OK(open("/dev/random", O_RDONLY)), u = OK(open("/dev/urandom", O_RDWR));
  CALL(read(r, a, 32));
  CALL(read(u, b, 32));
  YES(memcmp(a, b, 32) != 0);
  CALL(write(u, "seed", 4));
}
CASE(dev_nodes) {
  static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", 0};
  for (int i = 0; names[i]; i++) {
    struct stat st;
    char p[64];
    sprintf(p, "/dev/%s", names[i]);
    if (stat(p, &st)) say("%s %s", names[i], errno_name(errno));
    else if (strcmp(names[i], "ptmx")) say("%s %o %d:%d", names[i], st.st_mode & S_IFMT, major(st.st_rdev), minor(st.st_rdev));
  }
  char b[64] = {0};
  CALL(readlink("/dev/fd", b, 64));
  STR(b);
  memset(b, 0, 64);
  CALL(readlink("/dev/stdin", b, 64));
  STR(b);
  CALL(access("/dev/shm", W_OK));
  CALL(access("/dev/pts", F_OK));
}
CASE(dev_tty_without_terminal) {
  setsid();
  CALL(open("/dev/tty", O_RDWR));
  CALL(isatty(open("/dev/null", O_RDWR)));
}
CASE(dev_shm_files) {
  struct stat st;
  NEED(stat("/dev/shm", &st));
  OCT(st.st_mode);
  int fd = OK(open("/dev/shm/conformance-file", O_CREAT | O_EXCL | O_RDWR, 0600));
  CALL(write(fd, "x", 1));
  CALL(unlink("/dev/shm/conformance-file"));
}
