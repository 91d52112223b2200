// SPDX-License-Identifier: Apache-2.0
#include "case.h"

CASE(memfd_basic) {
  char b[16] = {0}, path[64], l[64];
  struct stat st;
  int fd = OK(memfd_create("name", 0));
  CALL(write(fd, "hello", 5));
  CALL(pread(fd, b, 16, 0));
  CALL(ftruncate(fd, 10000));
  NEED(fstat(fd, &st));
  VAL(st.st_size);
  VAL(st.st_nlink);
  OCT(st.st_mode);
  VAL(fcntl(fd, F_GETFD));
  sprintf(path, "/proc/self/fd/%d", fd);
  l[readlink(path, l, 63)] = 0;
  STR(l);
  int again = OK(open(path, O_RDONLY));
  CALL(read(again, b, 5));
  VAL(fcntl(OK(memfd_create("", MFD_CLOEXEC)), F_GETFD));
  CALL(memfd_create("x", 0x8000));
  CALL(memfd_create(NULL, 0));
  char name[300];
  memset(name, 'a', 300);
  name[249] = 0;
  OK(memfd_create(name, 0));
  name[249] = 'a', name[250] = 0;
  CALL(memfd_create(name, 0));
}
CASE(memfd_seals) {
  int fd = NEED(memfd_create("x", MFD_ALLOW_SEALING)), plain = NEED(memfd_create("y", 0));
  NEED(ftruncate(fd, 4096));
  CALL(fcntl(fd, F_GET_SEALS));
  CALL(fcntl(plain, F_GET_SEALS));
  CALL(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW));
  CALL(fcntl(0, F_GET_SEALS));
  CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
  CALL(ftruncate(fd, 100));
  CALL(ftruncate(fd, 5000));
  CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  CALL(ftruncate(fd, 6000));
  CALL(pwrite(fd, "x", 1, 5000));
  CALL(pwrite(fd, "x", 1, 0));
  char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(m, 4096);
  CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  CALL(write(fd, "x", 1));
  CALL(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  YES(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
  CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  CALL(fcntl(fd, F_GET_SEALS));
  CALL(fcntl(fd, F_ADD_SEALS, 0x1000));
}
CASE(memfd_shared_mapping) {
  int fd = NEED(memfd_create("x", 0));
  NEED(ftruncate(fd, 8192));
  char *a = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *b = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 4096);
  a[4096] = 'Q';
  VAL(b[0]);
  CHILD(a[0] = 'Z');
  VAL(a[0]);
  char c;
  CALL(pread(fd, &c, 1, 0));
  VAL(c);
  CALL(pwrite(fd, "W", 1, 4097));
  VAL(b[1]);
  NEED(ftruncate(fd, 4096));
  CHILD(c = b[0]);
}
CASE(memfd_exec) {
  int fd = NEED(memfd_create("script", 0));
  NEED(write(fd, "#!/bin/sh\nexit 7\n", 17));
  char *argv[] = {"x", NULL}, *envp[] = {NULL};
  CHILD(fexecve(fd, argv, envp); say("%s", errno_name(errno)));
}
