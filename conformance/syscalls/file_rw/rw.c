// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/falloc.h>

CASE(read_write_basic) {
  char b[32] = {0};
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  CALL(write(fd, "hello world", 11));
  CALL(read(fd, b, 10));
  CALL(lseek(fd, 6, SEEK_SET));
  CALL(read(fd, b, 32));
  BYTES(b, 5);
  CALL(read(fd, b, 32));
  CALL(write(fd, "", 0));
  CALL(read(fd, b, 0));
  CALL(pwrite(fd, "HE", 2, 0));
  CALL(pread(fd, b, 11, 0));
  BYTES(b, 11);
  CALL(pread(fd, b, 4, 100));
  CALL(lseek(fd, 0, SEEK_CUR));
  CALL(pread(fd, b, 4, -1));
  CALL(pwrite(fd, b, 4, -1));
}
CASE(read_write_bad_fd) {
  char b[4];
  make_file("f", "x", 0600);
  int r = NEED(open("f", O_RDONLY)), w = NEED(open("f", O_WRONLY));
  CALL(read(w, b, 1));
  CALL(write(r, b, 1));
  CALL(read(-1, b, 1));
  CALL(write(1000, b, 1));
  CALL(read(NEED(open(".", O_RDONLY)), b, 1));
  CALL(pread(NEED(open(".", O_RDONLY)), b, 1, 0));
  CALL(pread(w, b, 1, 0));
  CALL(read(w, b, 0));
  CALL(write(r, b, 0));
  CALL(ftruncate(r, 0));
}
CASE(rw_bad_pointer) {
  make_file("f", "0123456789", 0600);
  int fd = NEED(open("f", O_RDWR));
  CALL(read(fd, NULL, 1));
  CALL(read(fd, KERNEL_POINTER, 1));
  CALL(write(fd, NULL, 1));
  CALL(write(fd, BAD_POINTER, 1));
  CALL(read(fd, NULL, 0));
  CALL(lseek(fd, 0, SEEK_CUR));
  char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(munmap(p + 4096, 4096));
  CALL(read(fd, p + 4096 - 4, 10));
  BYTES(p + 4092, 4);
  CALL(lseek(fd, 0, SEEK_CUR));
  char *ro = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CALL(pread(fd, ro, 4, 0));
  char *none = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CALL(pwrite(fd, none, 4, 0));
}
CASE(rw_huge_length) {
  char b[4];
  make_file("f", "abc", 0600);
  int fd = NEED(open("f", O_RDWR)), null = NEED(open("/dev/null", O_RDWR));
  CALL(read(fd, b, -1));
  CALL(write(fd, b, -1));
  CALL(read(fd, b, LONG_MIN));
  CALL(read(null, b, 0x7fffffffffff0000));
  CALL(write(null, (void *)0, 0x7ffff000));
  char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CALL(read(fd, p, 0x7fffffff));
}
CASE(lseek_whence) {
  make_file("f", "0123456789", 0600);
  int fd = NEED(open("f", O_RDWR)), p[2];
  CALL(lseek(fd, 5, SEEK_SET));
  CALL(lseek(fd, -2, SEEK_CUR));
  CALL(lseek(fd, 0, SEEK_END));
  CALL(lseek(fd, 100, SEEK_END));
  CALL(lseek(fd, -200, SEEK_END));
  CALL(lseek(fd, -1, SEEK_SET));
  CALL(lseek(fd, 0, 99));
  CALL(lseek(fd, 0, SEEK_CUR));
  CALL(lseek(fd, 0, SEEK_DATA));
  CALL(lseek(fd, 0, SEEK_HOLE));
  CALL(lseek(fd, 10, SEEK_DATA));
  CALL(lseek(fd, 10, SEEK_HOLE));
  CALL(lseek(fd, -1, SEEK_DATA));
  CALL(lseek(999, 0, SEEK_SET));
  NEED(pipe(p));
  CALL(lseek(p[0], 0, SEEK_SET));
  CALL(lseek(p[0], 0, 99));
  CALL(lseek(NEED(open("/dev/null", O_RDWR)), 5, SEEK_SET));
}
CASE(append_mode) {
  make_file("f", "abc", 0600);
  char b[16] = {0};
  int fd = NEED(open("f", O_RDWR | O_APPEND)), other = NEED(open("f", O_WRONLY | O_APPEND));
  CALL(write(fd, "1", 1));
  CALL(write(other, "2", 1));
  CALL(lseek(fd, 0, SEEK_SET));
  CALL(write(fd, "3", 1));
  CALL(lseek(fd, 0, SEEK_CUR));
  CALL(pwrite(fd, "4", 1, 0));
  CALL(pread(fd, b, 16, 0));
  BYTES(b, 8);
}
CASE(sparse_file) {
  char b[8];
  memset(b, 'z', 8);
  struct stat st;
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  CALL(pwrite(fd, "x", 1, 1 << 20));
  CALL(pread(fd, b, 8, 4096));
  BYTES(b, 8);
  NEED(fstat(fd, &st));
  VAL(st.st_size);
  YES(st.st_blocks < 2048);
}
CASE(truncate_family) {
  char b[16];
  struct stat st;
  make_file("f", "0123456789", 0600);
  int fd = NEED(open("f", O_RDWR));
  CALL(ftruncate(fd, 4));
  CALL(pread(fd, b, 16, 0));
  CALL(ftruncate(fd, 8));
  CALL(pread(fd, b, 16, 0));
  BYTES(b, 8);
  CALL(ftruncate(fd, -1));
  CALL(truncate("f", 2));
  NEED(fstat(fd, &st));
  VAL(st.st_size);
  CALL(truncate("f", -1));
  CALL(truncate("none", 0));
  CALL(truncate(".", 0));
  CALL(truncate("f/x", 0));
  CALL(truncate(NULL, 0));
  CALL(truncate("", 0));
  int p[2];
  NEED(pipe(p));
  CALL(ftruncate(p[1], 0));
  CALL(ftruncate(999, 0));
  CALL(ftruncate(NEED(open(".", O_RDONLY)), 0));
  NEED(chmod("f", 0444));
  become(1234);
  CALL(truncate("f", 0));
}
CASE(readv_writev) {
  char a[4] = {0}, c[8] = {0};
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  struct iovec w[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}}, r[2] = {{a, 3}, {c, 8}};
  CALL(writev(fd, w, 3));
  CALL(lseek(fd, 0, SEEK_SET));
  CALL(readv(fd, r, 2));
  BYTES(a, 3);
  BYTES(c, 3);
  CALL(preadv(fd, r, 2, 1));
  BYTES(a, 3);
  CALL(preadv(fd, r, 2, -1));
  CALL(pwritev(fd, w, 1, 10));
  CALL(readv(fd, r, 0));
  CALL(readv(fd, r, -1));
  CALL(readv(fd, r, 1025));
  CALL(readv(fd, NULL, 1));
  CALL(writev(fd, (void *)KERNEL_POINTER, 1));
  struct iovec neg[1] = {{a, (size_t)-1}}, sum[2] = {{a, SSIZE_MAX}, {c, 8}};
  CALL(writev(fd, neg, 1));
  CALL(writev(fd, sum, 2));
  struct iovec bad[2] = {{"xy", 2}, {BAD_POINTER, 5}};
  CALL(writev(fd, bad, 2));
  CALL(preadv2(fd, r, 2, 0, 0));
  CALL(preadv2(fd, r, 2, -1, 0));
  CALL(preadv2(fd, r, 2, 0, 0x4000));
  CALL(pwritev2(fd, w, 1, -1, RWF_APPEND));
  CALL(lseek(fd, 0, SEEK_END));
}
CASE(fallocate_modes) {
  struct stat st;
  char b[8];
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  CALL(fallocate(fd, 0, 0, 8192));
  NEED(fstat(fd, &st));
  VAL(st.st_size);
  CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8192, 4096));
  NEED(fstat(fd, &st));
  VAL(st.st_size);
  CALL(pwrite(fd, "data", 4, 4096));
  CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
  CALL(pread(fd, b, 4, 4096));
  BYTES(b, 4);
  CALL(fallocate(fd, 0, -1, 10));
  CALL(fallocate(fd, 0, 0, 0));
  CALL(fallocate(fd, 0, 0, -5));
  CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
  CALL(fallocate(NEED(open("f", O_RDONLY)), 0, 0, 10));
  CALL(fallocate(999, 0, 0, 10));
  int p[2];
  NEED(pipe(p));
  CALL(fallocate(p[1], 0, 0, 10));
  CALL(posix_fallocate(fd, 0, 20000));
  NEED(fstat(fd, &st));
  VAL(st.st_size);
}
CASE(write_clears_setid) {
  struct stat st;
  make_file("f", "x", 06777);
  NEED(stat("f", &st));
  OCT(st.st_mode);
  become(1234);
  int fd = NEED(open("f", O_WRONLY));
  CALL(write(fd, "y", 1));
  NEED(stat("f", &st));
  OCT(st.st_mode);
}
CASE(fsync_family) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600)), p[2];
  NEED(pipe(p));
  CALL(fsync(fd));
  CALL(fdatasync(fd));
  CALL(fsync(p[0]));
  CALL(fsync(999));
  CALL(syncfs(fd));
  CALL(syncfs(999));
  CALL(fsync(NEED(open(".", O_RDONLY))));
  CALL(sync_file_range(fd, 0, 0, 0));
  CALL(sync_file_range(fd, -1, 0, 0));
  CALL(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  CALL(posix_fadvise(fd, 0, 0, 99));
  CALL(posix_fadvise(p[0], 0, 0, 0));
  CALL(readahead(fd, 0, 10));
  CALL(readahead(999, 0, 10));
}
CASE(write_pattern_large) {
  // A megabyte in odd pieces, read back in other odd pieces.
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  static unsigned char out[1 << 20], in[1 << 20];
  for (int i = 0; i < sizeof out; i++) out[i] = (i * 7 + (i >> 8)) & 255;
  size_t at = 0;
  for (int step = 1; at < sizeof out; step = step * 3 % 65521 + 1) {
    size_t n = sizeof out - at < step ? sizeof out - at : step;
    if (write(fd, out + at, n) != n) { say("short write"); return; }
    at += n;
  }
  lseek(fd, 0, SEEK_SET);
  at = 0;
  for (int step = 7; at < sizeof in; step = step * 5 % 99991 + 1) {
    size_t n = sizeof in - at < step ? sizeof in - at : step;
    ssize_t r = read(fd, in + at, n);
    if (r <= 0) break;
    at += r;
  }
  VAL(at);
  YES(memcmp(in, out, sizeof in) == 0);
}
CASE(rlimit_fsize) {
  struct rlimit r = {10, 10};
  signal(SIGXFSZ, SIG_IGN);
  NEED(setrlimit(RLIMIT_FSIZE, &r));
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  CALL(write(fd, "0123456", 7));
  CALL(write(fd, "0123456", 7));
  CALL(write(fd, "x", 1));
  CALL(ftruncate(fd, 11));
  CALL(pwrite(fd, "x", 1, 100));
  signal(SIGXFSZ, SIG_DFL);
  CHILD(write(fd, "x", 1));
}
CASE(copy_file_range_basic) {
  make_file("a", "0123456789", 0600);
  int a = NEED(open("a", O_RDONLY)), b = NEED(open("b", O_CREAT | O_RDWR, 0600));
  char t[16] = {0};
  off_t from = 2, to = 0;
  CALL(copy_file_range(a, &from, b, &to, 4, 0));
  VAL(from);
  VAL(to);
  CALL(lseek(a, 0, SEEK_CUR));
  CALL(copy_file_range(a, NULL, b, NULL, 100, 0));
  CALL(lseek(a, 0, SEEK_CUR));
  CALL(copy_file_range(a, NULL, b, NULL, 100, 0));
  CALL(pread(b, t, 16, 0));
  BYTES(t, 10);
  CALL(copy_file_range(a, NULL, b, NULL, 1, 1));
  CALL(copy_file_range(b, NULL, a, NULL, 1, 0));
  CALL(copy_file_range(a, NULL, 999, NULL, 1, 0));
  int p[2];
  NEED(pipe(p));
  CALL(copy_file_range(a, NULL, p[1], NULL, 1, 0));
  from = 0, to = 1;
  CALL(copy_file_range(b, &from, b, &to, 4, 0));
  CALL(copy_file_range(NEED(open(".", O_RDONLY)), NULL, b, NULL, 1, 0));
}
