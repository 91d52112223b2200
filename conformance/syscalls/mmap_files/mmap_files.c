// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#define PG 4096

CASE(map_file_private) {
  char b[8] = {0};
  make_file("f", "hello", 0600);
  int fd = NEED(open("f", O_RDWR));
  char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  STR(p);
  p[0] = 'J';
  CALL(pread(fd, b, 5, 0));
  STR(b);
  close(fd);
  STR(p);
  VAL(p[PG - 1]);
}
CASE(map_file_shared) {
  char b[8] = {0};
  make_file("f", "hello", 0600);
  int fd = NEED(open("f", O_RDWR));
  char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  p[0] = 'J';
  CALL(pread(fd, b, 5, 0));
  STR(b);
  CALL(pwrite(fd, "M", 1, 1));
  STR(p);
  CHILD(p[2] = 'X');
  STR(p);
  p[5] = '!';
  struct stat st;
  NEED(fstat(fd, &st));
  VAL(st.st_size);
  CALL(msync(p, PG, MS_SYNC));
  CALL(munmap(p, PG));
  int again = NEED(open("f", O_RDONLY));
  CALL(read(again, b, 8));
  BYTES(b, 5);
}
CASE(map_file_past_end) {
  make_file("f", "hello", 0600);
  int fd = NEED(open("f", O_RDWR));
  char *p = mmap(0, 3 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  VAL(p[100]);
  CHILD(volatile char c = p[PG]);
  NEED(ftruncate(fd, 2 * PG));
  CHILD(volatile char c = p[PG]);
  p[PG] = 'k';
  NEED(ftruncate(fd, 10));
  CHILD(volatile char c = p[PG]);
  NEED(ftruncate(fd, 2 * PG));
  VAL(p[PG]);
}
CASE(map_file_offset) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  for (int i = 0; i < 5; i++) {
    char b[PG];
    memset(b, 'a' + i, PG);
    NEED(write(fd, b, PG));
  }
  char *p = mmap(0, 2 * PG, PROT_READ, MAP_PRIVATE, fd, 3 * PG);
  VAL(p[0]);
  VAL(p[PG]);
  char *q = mmap(0, PG, PROT_READ, MAP_SHARED, fd, PG);
  VAL(q[0]);
}
CASE(map_survives_unlink_and_rename) {
  make_file("f", "hello", 0600);
  int fd = NEED(open("f", O_RDWR));
  char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  NEED(unlink("f"));
  make_file("f", "other", 0600);
  STR(p);
  p[0] = 'C';
  STR(p);
}
CASE(map_read_into_mapping) {
  make_file("f", "0123456789", 0600);
  make_file("g", "abcdefghij", 0600);
  int f = NEED(open("f", O_RDWR)), g = NEED(open("g", O_RDWR));
  char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
  CALL(pread(g, p + 2, 4, 0));
  STR(p);
  CALL(pwrite(g, p, 10, 0));
  char b[16] = {0};
  CALL(pread(f, b, 10, 0));
  STR(b);
}
CASE(map_two_processes_same_file) {
  int p[2], q[2];
  NEED(pipe(p)), NEED(pipe(q));
  make_file("f", "................", 0600);
  pid_t c = fork();
  char b;
  if (c == 0) {
    int fd = open("f", O_RDWR);
    char *m = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    read(p[0], &b, 1);
    say("child sees %.4s", m);
    memcpy(m + 4, "from", 4);
    write(q[1], "x", 1);
    _exit(0);
  }
  int fd = NEED(open("f", O_RDWR));
  char *m = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  memcpy(m, "here", 4);
  write(p[1], "x", 1);
  read(q[0], &b, 1);
  say("parent sees %.8s", m);
  report_end("child", c);
}
CASE(map_written_before_write_open) {
  // A reader's mapping made before the file is first written follows the writes.
  make_file("f", "before", 0600);
  int r = NEED(open("f", O_RDONLY));
  char *m = mmap(0, PG, PROT_READ, MAP_SHARED, r, 0);
  STR(m);
  int w = NEED(open("f", O_WRONLY));
  CALL(pwrite(w, "AFTER!", 6, 0));
  STR(m);
  char b[8] = {0};
  CALL(pread(r, b, 6, 0));
  STR(b);
}
CASE(map_dev_zero) {
  int z = NEED(open("/dev/zero", O_RDWR));
  char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, z, 0);
  VAL(p[7]);
  p[7] = 3;
  char *s = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, z, 0);
  CHILD(s[0] = 4);
  VAL(s[0]);
}
CASE(map_dev_shm) {
  int fd = NEED(open("/dev/shm/conformance-map", O_CREAT | O_EXCL | O_RDWR, 0600));
  NEED(unlink("/dev/shm/conformance-map"));
  NEED(ftruncate(fd, 2 * PG));
  char *p = mmap(0, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHILD(strcpy(p + PG, "shared"));
  STR(p + PG);
  char b[8] = {0};
  CALL(pread(fd, b, 6, PG));
  STR(b);
}
CASE(text_busy) {
  // Writing to a running program is refused; so is running a program that is open for writing.
  int in = NEED(open("/bin/true", O_RDONLY)), out = NEED(open("t", O_CREAT | O_WRONLY, 0755));
  char *b = malloc(1 << 20);
  ssize_t n;
  while ((n = read(in, b, 1 << 20)) > 0) NEED(write(out, b, n));
  CHILD(CALL(execl("./t", "t", NULL)));
  close(out);
  CHILD(execl("./t", "t", NULL));
}
// Mapping a file is an access to it, as far as its mount keeps such times.
CASE(mmap_is_access) {
  struct stat before, after;
  make_file("f", "12345", 0644);
  int fd = NEED(open("f", O_RDWR));
  // At first the file has changed since it was read; then it has not.
  for (int i = 0; i < 2; i++) {
    NEED(fstat(fd, &before));
    sleep_ms(20);
    NEED(mmap(0, 4096, PROT_READ, i == 0 ? MAP_SHARED : MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    NEED(fstat(fd, &after));
    say("atime %s", after.st_atim.tv_sec == before.st_atim.tv_sec && after.st_atim.tv_nsec == before.st_atim.tv_nsec ? "stays" : "moves");
    YES(after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
  }
}
