// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#define PG 4096
#define ANON(len) ((char *)mmap(0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))

CASE(brk_moves) {
  char *a = (char *)syscall(SYS_brk, 0);
  YES(a != NULL);
  YES((char *)syscall(SYS_brk, a + 3 * PG) == a + 3 * PG);
  a[2 * PG] = 'x';
  YES((char *)syscall(SYS_brk, a + PG) == a + PG);
  CHILD(a[2 * PG + PG] = 1);
  YES((char *)syscall(SYS_brk, a + 3 * PG) == a + 3 * PG);
  VAL(a[2 * PG]);
  YES((char *)syscall(SYS_brk, 1) == a + 3 * PG);
  YES((char *)syscall(SYS_brk, 0x7ffffffff000) == a + 3 * PG);
  YES((char *)syscall(SYS_brk, a + 3 * PG + 17) == a + 3 * PG + 17);
  a[3 * PG + 100] = 1;
}
CASE(brk_after_fork) {
  char *a = (char *)syscall(SYS_brk, 0);
  NEED(syscall(SYS_brk, a + 2 * PG));
  CHILD(YES((char *)syscall(SYS_brk, 0) == a + 2 * PG); syscall(SYS_brk, a + 4 * PG));
  YES((char *)syscall(SYS_brk, 0) == a + 2 * PG);
}
CASE(mremap_grow_shrink) {
  char *r = ANON(8 * PG);
  NEED(munmap(r + 2 * PG, 6 * PG));
  strcpy(r, "data");
  YES(mremap(r, 2 * PG, 4 * PG, 0) == r);
  r[3 * PG] = 1;
  YES(mremap(r, 4 * PG, PG, 0) == r);
  CHILD(r[PG] = 1);
  STR(r);
  char *wall = mmap(r + PG, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  OK(mremap(r, PG, 2 * PG, 0));
  char *moved = mremap(r, PG, 2 * PG, MREMAP_MAYMOVE);
  YES(moved != MAP_FAILED && moved != r);
  STR(moved);
  CHILD(r[0] = 1);
}
CASE(mremap_fixed) {
  char *a = ANON(2 * PG), *b = ANON(4 * PG);
  strcpy(a, "moved");
  strcpy(b, "target");
  OK(mremap(a, 2 * PG, 2 * PG, MREMAP_FIXED, b));
  YES(mremap(a, 2 * PG, 2 * PG, MREMAP_FIXED | MREMAP_MAYMOVE, b) == b);
  STR(b);
  CHILD(a[0] = 1);
  OK(mremap(b, 2 * PG, 2 * PG, MREMAP_FIXED | MREMAP_MAYMOVE, b + PG));
  OK(mremap(b, 2 * PG, 2 * PG, MREMAP_FIXED | MREMAP_MAYMOVE, b + 1));
}
CASE(mremap_errors) {
  char *a = ANON(4 * PG);
  NEED(munmap(a + 2 * PG, PG));
  OK(mremap(a + 1, PG, PG, 0));
  OK(mremap(a, PG, 0, 0));
  OK(mremap(a, PG, PG, 99));
  OK(mremap(a, 4 * PG, 5 * PG, MREMAP_MAYMOVE));
  OK(mremap((void *)0x10000, PG, 2 * PG, MREMAP_MAYMOVE));
  OK(mremap(a, 0, PG, MREMAP_MAYMOVE));
}
CASE(mremap_file) {
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  NEED(ftruncate(fd, 4 * PG));
  NEED(pwrite(fd, "page0", 5, 0)), NEED(pwrite(fd, "page1", 5, PG));
  char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  p = mremap(p, PG, 2 * PG, MREMAP_MAYMOVE);
  STR(p + PG);
  strcpy(p + PG, "wrote");
  char b[8] = {0};
  NEED(pread(fd, b, 5, PG));
  STR(b);
  char *twin = mremap(p, 0, 2 * PG, MREMAP_MAYMOVE);
  YES(twin != MAP_FAILED && twin != p);
  twin[0] = 'T';
  STR(p);
}
CASE(mremap_dontunmap) {
  char *a = ANON(2 * PG);
  strcpy(a, "moved");
  char *b = (char *)syscall(SYS_mremap, a, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
  YES(b != MAP_FAILED && b != a);
  STR(b);
  VAL(a[0]);
}
