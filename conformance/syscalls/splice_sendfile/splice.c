// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/sendfile.h>

CASE(sendfile_basic) {
  make_file("f", "0123456789", 0600);
  int f = NEED(open("f", O_RDONLY)), p[2], o = NEED(open("o", O_CREAT | O_RDWR, 0600));
  char b[16] = {0};
  off_t off = 3;
  NEED(pipe(p));
  CALL(sendfile(p[1], f, &off, 4));
  VAL(off);
  CALL(lseek(f, 0, SEEK_CUR));
  CALL(read(p[0], b, 16));
  BYTES(b, 4);
  CALL(sendfile(o, f, NULL, 100));
  CALL(lseek(f, 0, SEEK_CUR));
  CALL(sendfile(o, f, NULL, 100));
  CALL(pread(o, b, 16, 0));
  BYTES(b, 10);
  off = -1;
  CALL(sendfile(o, f, &off, 4));
  CALL(sendfile(o, p[0], NULL, 4));
  CALL(sendfile(999, f, NULL, 4));
  CALL(sendfile(f, o, NULL, 4));
  CALL(sendfile(o, NEED(open("f", O_WRONLY)), NULL, 4));
  CALL(sendfile(o, f, BAD_POINTER, 4));
}
CASE(splice_file_pipe) {
  make_file("f", "0123456789", 0600);
  int f = NEED(open("f", O_RDONLY)), o = NEED(open("o", O_CREAT | O_RDWR, 0600)), p[2];
  char b[16] = {0};
  loff_t off = 2;
  NEED(pipe(p));
  CALL(splice(f, &off, p[1], NULL, 4, 0));
  VAL(off);
  CALL(splice(p[0], NULL, o, NULL, 100, 0));
  CALL(pread(o, b, 16, 0));
  BYTES(b, 4);
  CALL(splice(f, NULL, o, NULL, 4, 0));
  CALL(splice(p[0], &off, o, NULL, 4, 0));
  CALL(splice(p[0], NULL, o, NULL, 4, SPLICE_F_NONBLOCK));
  CALL(splice(f, NULL, p[1], NULL, 4, 0x100));
  CALL(splice(999, NULL, p[1], NULL, 4, 0));
  CALL(splice(f, NULL, p[0], NULL, 4, 0));
  CALL(splice(f, NULL, p[1], NULL, 0, 0));
  int a = NEED(open("o", O_WRONLY | O_APPEND));
  NEED(write(p[1], "x", 1));
  CALL(splice(p[0], NULL, a, NULL, 1, 0));
}
CASE(splice_pipe_pipe_and_tee) {
  int p[2], q[2];
  char b[16] = {0};
  NEED(pipe(p)), NEED(pipe(q));
  NEED(write(p[1], "hello", 5));
  CALL(tee(p[0], q[1], 3, 0));
  CALL(read(q[0], b, 16));
  CALL(splice(p[0], NULL, q[1], NULL, 100, 0));
  CALL(read(q[0], b, 16));
  BYTES(b, 5);
  CALL(tee(p[0], q[1], 3, SPLICE_F_NONBLOCK));
  CALL(tee(p[0], p[1], 3, 0));
  CALL(tee(0, q[1], 3, 0));
  close(p[1]);
  CALL(splice(p[0], NULL, q[1], NULL, 10, 0));
}
CASE(vmsplice_basic) {
  int p[2];
  char b[16] = {0};
  struct iovec v[2] = {{"abc", 3}, {"def", 3}};
  NEED(pipe(p));
  CALL(vmsplice(p[1], v, 2, 0));
  CALL(read(p[0], b, 16));
  BYTES(b, 6);
  CALL(vmsplice(0, v, 2, 0));
}
