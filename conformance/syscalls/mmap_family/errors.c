// SPDX-License-Identifier: Apache-2.0
// Errors of the memory calls, and what /proc/self/maps says after sequences of them.
#include "case.h"

#define PG 4096ul
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define MAP(...) CALL(mmap(__VA_ARGS__) == MAP_FAILED ? -1 : 0)

CASE(mmap_file_errors) {
  int exe = NEED(open("/proc/self/exe", O_RDONLY)), null = NEED(open("/dev/null", O_RDWR)), zero = NEED(open("/dev/zero", O_RDWR));
  int dir = NEED(open("/", O_RDONLY)), path = NEED(open("/proc/self/exe", O_PATH)), w = NEED(open("w", O_CREAT | O_WRONLY, 0600)), p[2];
  NEED(pipe(p));
  MAP(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, exe, 0);
  MAP(0, PG, PROT_READ, MAP_SHARED, exe, 0);
  MAP(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, exe, 0);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, exe, 1);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, exe, -PG);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, 999, 0);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, null, 0);
  MAP(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, dir, 0);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, path, 0);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, w, 0);
  MAP(0, PG, PROT_WRITE, MAP_SHARED, w, 0);
  MAP(0, PG, PROT_READ, MAP_PRIVATE, p[0], 0);
  MAP(0, PG, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, exe, 0);
  MAP(0, PG, PROT_READ, MAP_SHARED_VALIDATE, exe, 0);
  MAP(0, PG, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, exe, 0);
}
CASE(mmap_argument_errors) {
  MAP(0, 0, PROT_READ, PRIVATE, -1, 0);
  MAP(0, -1, PROT_READ, PRIVATE, -1, 0);
  MAP(0, 1ul << 46, PROT_READ, PRIVATE | MAP_NORESERVE, -1, 0);
  MAP(0, 1ul << 47, PROT_READ, PRIVATE | MAP_NORESERVE, -1, 0);
  MAP(0, PG, PROT_READ, MAP_ANONYMOUS, -1, 0);
  MAP(0, PG, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0);
  MAP(0, 2 << 20, PROT_READ, PRIVATE | MAP_HUGETLB, -1, 0);
  MAP(0, PG, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
  MAP((void *)1, PG, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
  char *low = mmap(0, PG, PROT_READ, PRIVATE | MAP_32BIT, -1, 0);
  YES((unsigned long)low < 1ul << 32);
}
CASE(mprotect_munmap_errors) {
  char *p = mmap(0, 3 * PG, PROT_READ | PROT_WRITE, PRIVATE, -1, 0);
  CALL(munmap(p + PG, PG));
  CALL(mprotect(p + 1, PG, PROT_READ));
  CALL(mprotect(p, PG, 16));
  CALL(mprotect(p, PG, PROT_GROWSDOWN | PROT_READ));
  CALL(mprotect(p, PG, PROT_GROWSUP | PROT_READ));
  CALL(mprotect(p, 0, PROT_READ));
  CALL(mprotect(p, -1, PROT_READ));
  CALL(mprotect(p, 3 * PG, PROT_READ));
  CALL(munmap(p, 0));
  CALL(munmap(p + 1, PG));
  CALL(munmap((void *)-PG, PG));
  CALL(munmap(p, 3 * PG));
}
CASE(madvise_by_kind) {
  int exe = NEED(open("/proc/self/exe", O_RDONLY));
  char *kinds[] = {mmap(0, PG, PROT_READ | PROT_WRITE, PRIVATE, -1, 0), mmap(0, PG, PROT_READ, MAP_PRIVATE, exe, 0),
                   mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
  for (int k = 0; k < 3; k++)
    for (int advice = 0; advice < 22; advice++) say("%d %d: %s", k, advice, madvise(kinds[k], PG, advice) == 0 ? "0" : errno_name(errno));
}
CASE(vma_limit) {
  char *p = mmap(0, 70000 * 2 * PG, PROT_NONE, PRIVATE | MAP_NORESERVE, -1, 0);
  int i = 0;
  while (i < 70000 && mprotect(p + i * 2 * PG, PG, PROT_READ) == 0) i++;
  say("%s", errno_name(errno));
  YES(i > 32000 && i < 33000);
  CALL(munmap(p, 70000 * 2 * PG));
}
static void show_lines(const char *word) {
  char line[400];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) {
    unsigned long from, to;
    if (strstr(line, word) && sscanf(line, "%lx-%lx", &from, &to) == 2) say("%lu%.6s", (to - from) / PG, strchr(line, ' '));
  }
  fclose(maps);
}
CASE(maps_of_forked_heap) {
  char *p = sbrk(1 << 20);
  memset(p, 1, 1 << 20);
  CHILD(char *q = sbrk(1 << 20); memset(q, 1, PG); sbrk(2 * PG); int n = 0; char line[400]; FILE *maps = fopen("/proc/self/maps", "r");
        while (fgets(line, sizeof line, maps)) n += strstr(line, "[heap]") != NULL; VAL(n));
}
CASE(maps_after_mremap_of_several) {
  char *p = mmap(0, 16 * PG, PROT_NONE, PRIVATE, -1, 0);
  CALL(mprotect(p + 2 * PG, 2 * PG, PROT_READ));
  CALL(mprotect(p + 4 * PG, PG, PROT_READ | PROT_EXEC));
  char *s = mmap(p + 6 * PG, 3 * PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  s[2 * PG] = 'z';
  show_lines("/dev/zero");
  CALL(munmap(s + PG, PG));
  show_lines("/dev/zero");
  CALL(mremap(s + 2 * PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, s + 5 * PG) == s + 5 * PG ? 0 : -1);
  VAL(s[5 * PG]);
  show_lines("/dev/zero");
}
CASE(process_vm_errors) {
  char from[100] = "copied", to[100] = {0};
  struct iovec l = {to, 100}, r = {from, 100};
  CALL(process_vm_readv(getpid(), &l, 1, &r, 1, 0));
  STR(to);
  CALL(process_vm_readv(getpid(), &l, 1, &r, 1, 1));
  CALL(process_vm_readv(99999999, &l, 1, &r, 1, 0));
  CALL(process_vm_readv(getpid(), &l, 2000, &r, 1, 0));
  r.iov_base = BAD_POINTER;
  CALL(process_vm_readv(getpid(), &l, 1, &r, 1, 0));
  CALL(process_vm_writev(getpid(), &l, 1, &r, 1, 0));
}
