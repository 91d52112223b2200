// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <setjmp.h>
#define PG 4096
#define ANON(len, prot) ((char *)mmap(0, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))

static sigjmp_buf jump;
static int fault_signal, fault_code;
static void *fault_address;
static void on_fault(int s, siginfo_t *i, void *c) {
  fault_signal = s, fault_code = i->si_code, fault_address = i->si_addr;
  siglongjmp(jump, 1);
}
static void catch_faults(void) {
  struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &a, 0);
  sigaction(SIGBUS, &a, 0);
}
// Says what touching an address does.
static void touch(const char *what, volatile char *p, int write) {
  if (sigsetjmp(jump, 1) == 0) {
    if (write) *p = 'w'; else (void)*p;
    say("%s: fine", what);
  } else say("%s: %s code %d at it: %s", what, signal_name(fault_signal), fault_code, fault_address == (void *)p ? "yes" : "no");
}

CASE(mmap_anonymous) {
  catch_faults();
  char *p = ANON(3 * PG, PROT_READ | PROT_WRITE);
  YES(p != MAP_FAILED && (long)p % PG == 0);
  YES(p[0] == 0 && p[3 * PG - 1] == 0);
  touch("write", p + PG, 1);
  CALL(munmap(p + PG, PG));
  touch("first", p, 1);
  touch("hole", p + PG, 0);
  touch("third", p + 2 * PG, 1);
  CALL(munmap(p, 3 * PG));
  CALL(munmap(p, 3 * PG));
  touch("gone", p, 0);
}
CASE(mmap_errors) {
  make_file("f", "x", 0600);
  int r = NEED(open("f", O_RDONLY)), w = NEED(open("f", O_WRONLY)), d = NEED(open(".", O_RDONLY)), p[2];
  NEED(pipe(p));
  OK(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  OK(mmap(0, PG, PROT_READ, 0, -1, 0));
  OK(mmap(0, PG, PROT_READ, MAP_ANONYMOUS, -1, 0));
  OK(mmap(0, PG, PROT_READ, MAP_PRIVATE, 999, 0));
  OK(mmap(0, PG, PROT_READ, MAP_PRIVATE, -1, 0));
  OK(syscall(SYS_mmap, 0, PG, PROT_READ, MAP_PRIVATE, r, 100));
  OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, r, 0));
  OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, r, 0));
  OK(mmap(0, PG, PROT_READ, MAP_PRIVATE, w, 0));
  OK(mmap(0, PG, PROT_WRITE, MAP_SHARED, w, 0));
  OK(mmap(0, PG, PROT_READ, MAP_PRIVATE, d, 0));
  OK(mmap(0, PG, PROT_READ, MAP_PRIVATE, p[0], 0));
  OK(mmap((void *)123, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  OK(mmap(0, -PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  OK(mmap(0, 1ul << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  OK(mmap((void *)0x7ffffffff000, 2 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  OK(mmap((void *)-PG, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  OK(syscall(SYS_mmap, 0, PG, PROT_READ, MAP_PRIVATE, r, -PG));
  CALL(munmap((void *)1, PG));
  CALL(munmap(0, 0));
  CALL(munmap((void *)-PG, PG));
  CALL(munmap((void *)0x7000, -PG));
}
CASE(mmap_fixed) {
  catch_faults();
  char *p = ANON(4 * PG, PROT_READ | PROT_WRITE);
  p[PG] = 'x';
  YES(mmap(p + PG, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + PG);
  VAL(p[PG]);
  touch("write", p + PG, 1);
  OK(mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  NEED(munmap(p, PG));
  YES(mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p);
  char *hint = p + PG;
  YES(mmap(hint, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != hint);
  NEED(munmap(p, 4 * PG));
  YES(mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p);
}
CASE(mprotect_rules) {
  catch_faults();
  char *p = ANON(3 * PG, PROT_READ | PROT_WRITE);
  strcpy(p + PG, "kept");
  CALL(mprotect(p + PG, PG, PROT_READ));
  touch("write read-only", p + PG, 1);
  STR(p + PG);
  CALL(mprotect(p + PG, PG, PROT_NONE));
  touch("read none", p + PG, 0);
  touch("write neighbour", p + 2 * PG, 1);
  CALL(mprotect(p + PG, PG, PROT_READ | PROT_WRITE));
  STR(p + PG);
  CALL(mprotect(p + 1, PG, PROT_READ));
  CALL(mprotect(p, 0, PROT_READ));
  CALL(mprotect(p, PG, 0x100));
  CALL(mprotect(p, PG, PROT_GROWSDOWN | PROT_GROWSUP));
  NEED(munmap(p + PG, PG));
  CALL(mprotect(p, 3 * PG, PROT_READ));
  touch("first after failure", p, 1);
  touch("third after failure", p + 2 * PG, 1);
  CALL(mprotect((void *)0x10000, PG, PROT_READ));
}
CASE(mprotect_exec) {
  unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
  char *p = ANON(PG, PROT_READ | PROT_WRITE);
  memcpy(p, code, sizeof code);
  CHILD(((int (*)(void))p)());
  NEED(mprotect(p, PG, PROT_READ | PROT_EXEC));
  VAL(((int (*)(void))p)());
}
CASE(mprotect_file) {
  make_file("f", "x", 0600);
  int r = NEED(open("f", O_RDONLY));
  char *s = mmap(0, PG, PROT_READ, MAP_SHARED, r, 0), *p = mmap(0, PG, PROT_READ, MAP_PRIVATE, r, 0);
  CALL(mprotect(s, PG, PROT_READ | PROT_WRITE));
  CALL(mprotect(p, PG, PROT_READ | PROT_WRITE));
  p[0] = 'y';
  VAL(s[0]);
}
CASE(mmap_shared_anonymous) {
  int *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *q = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *p = *q = 1;
  CHILD(*p = 2; *q = 2; CHILD(*p += 10));
  VAL(*p);
  VAL(*q);
}
CASE(fork_copies_on_write) {
  char *p = ANON(64 * PG, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 64; i++) p[i * PG] = i;
  CHILD(for (int i = 0; i < 64; i++) if (p[i * PG] != i) say("wrong"); memset(p, 99, 64 * PG));
  int ok = 1;
  for (int i = 0; i < 64; i++) ok &= p[i * PG] == i;
  VAL(ok);
}
CASE(madvise_family) {
  char *p = ANON(4 * PG, PROT_READ | PROT_WRITE);
  p[0] = 'x';
  CALL(madvise(p, PG, MADV_DONTNEED));
  VAL(p[0]);
  CALL(madvise(p, PG, MADV_NORMAL));
  CALL(madvise(p, PG, MADV_WILLNEED));
  CALL(madvise(p, PG, MADV_SEQUENTIAL));
  CALL(madvise(p, PG, MADV_FREE));
  CALL(madvise(p + 1, PG, MADV_NORMAL));
  CALL(madvise(p, 0, MADV_NORMAL));
  CALL(madvise(p, PG, 9999));
  CALL(madvise(p, -PG, MADV_NORMAL));
  NEED(munmap(p + PG, PG));
  p[0] = p[2 * PG] = 'y';
  CALL(madvise(p, 3 * PG, MADV_DONTNEED));
  VAL(p[0]);
  VAL(p[2 * PG]);
  CALL(madvise(p, PG, MADV_DONTFORK));
  CHILD(p[0] = 1);
  CALL(madvise(p, PG, MADV_DOFORK));
  p[2 * PG] = 'z';
  CALL(madvise(p + 2 * PG, PG, MADV_WIPEONFORK));
  CHILD(VAL(p[2 * PG]));
  VAL(p[2 * PG]);
}
CASE(msync_mincore) {
  unsigned char v[4];
  char *p = ANON(2 * PG, PROT_READ | PROT_WRITE);
  p[0] = 1;
  CALL(msync(p, PG, MS_SYNC));
  CALL(msync(p, PG, MS_ASYNC | MS_INVALIDATE));
  CALL(msync(p, PG, MS_SYNC | MS_ASYNC));
  CALL(msync(p, PG, 0x100));
  CALL(msync(p + 1, PG, MS_SYNC));
  CALL(mincore(p, PG, v));
  VAL(v[0] & 1);
  CALL(mincore(p + 1, PG, v));
  CALL(mincore(p, PG, BAD_POINTER));
  NEED(munmap(p + PG, PG));
  CALL(msync(p, 2 * PG, MS_SYNC));
  CALL(mincore(p, 2 * PG, v));
}
CASE(mlock_family) {
  char *p = ANON(2 * PG, PROT_READ | PROT_WRITE);
  CALL(mlock(p, PG));
  CALL(munlock(p, PG));
  CALL(mlock(p + 1, 10));
  CALL(mlock2(p, PG, 1));
  CALL(mlock2(p, PG, 8));
  CALL(mlockall(MCL_CURRENT));
  CALL(munlockall());
  CALL(mlockall(0));
  CALL(mlockall(99));
  NEED(munmap(p + PG, PG));
  CALL(mlock(p, 2 * PG));
  CALL(munlock(p, 2 * PG));
}
CASE(mmap_growsdown_stack) {
  // The main stack grows well past its first pages.
  volatile char big[3 << 20];
  for (long i = sizeof big - 1; i >= 0; i -= PG) big[i] = 1;
  VAL(big[0] + big[sizeof big - 1]);
}
static int recurse(int n) { volatile char page[8192]; page[0] = n; return n == 0 ? 0 : recurse(n - 1) + page[0] * 0 + 1; }
CASE(stack_overflow_is_segv) {
  struct rlimit r = {1 << 20, 1 << 20};
  CHILD(setrlimit(RLIMIT_STACK, &r); recurse(100000));
  CHILD(VAL(recurse(50)));
}
CASE(stack_overflow_on_altstack) {
  static char alt[16384];
  struct rlimit r = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_STACK, &r);
  stack_t s = {.ss_sp = alt, .ss_size = sizeof alt};
  NEED(sigaltstack(&s, 0));
  struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &a, 0);
  if (sigsetjmp(jump, 1) == 0) recurse(100000);
  else say("caught %s code %d", signal_name(fault_signal), fault_code);
}
CASE(fault_kinds) {
  catch_faults();
  touch("null", NULL, 0);
  touch("low", (char *)0x100, 1);
  touch("text", (char *)(long)touch, 1);
  touch("kernel half", (char *)0xffff800000000000, 0);
  touch("noncanonical", (char *)0x8000000000000000, 0);
}
CASE(rlimit_as) {
  struct rlimit r = {1ul << 32, 1ul << 32};
  CALL(setrlimit(RLIMIT_AS, &r));
  OK(mmap(0, 1ul << 33, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  OK(mmap(0, 1ul << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
CASE(rlimit_data_and_brk) {
  struct rlimit r = {1 << 20, 1 << 20};
  NEED(setrlimit(RLIMIT_DATA, &r));
  char *now = sbrk(0);
  CALL(sbrk(64 << 20) == (void *)-1);
  OK(mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  YES(sbrk(0) == now);
}
CASE(maps_agree) {
  // What /proc/self/maps says about a mapping follows each change.
  char *p = ANON(4 * PG, PROT_READ | PROT_WRITE), line[512], want[64];
  NEED(mprotect(p + PG, PG, PROT_READ));
  NEED(munmap(p + 3 * PG, PG));
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) {
    unsigned long a, b;
    char perm[8];
    sscanf(line, "%lx-%lx %7s", &a, &b, perm);
    if (b > (unsigned long)p && a < (unsigned long)p + 4 * PG) {
      long from = a < (unsigned long)p ? -1 : (long)(a - (unsigned long)p) / PG;
      say("%s", perm);
      if (perm[1] == '-') { VAL(from); VAL((b - a) / PG); }
    }
  }
}

static int resident(char *at, int pages) {
  unsigned char vec[16];
  int sum = 0;
  NEED(mincore(at, pages * 4096, vec));
  for (int i = 0; i < pages; i++) sum += vec[i] & 1;
  return sum;
}

// Locking faults pages in; MLOCK_ONFAULT does not.
CASE(mlock_makes_resident) {
  char *p = mmap(0, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VAL(resident(p, 16));
  CALL(mlock(p + 4096, 3 * 4096));
  VAL(resident(p, 16));
  CALL(mlock2(p + 8 * 4096, 2 * 4096, MLOCK_ONFAULT));
  VAL(resident(p, 16));
  p[8 * 4096] = 1;
  VAL(resident(p, 16));
  CALL(mlockall(MCL_CURRENT));
  VAL(resident(p, 16));
  char *q = mmap(0, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
  VAL(resident(q, 8));
  char *none = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CALL(mlock(none, 4096));
  CALL(msync((void *)-1, 4096, MS_ASYNC));
  CALL(mincore((void *)-1, 4096, (unsigned char *)p));
}

#define MPOL_F_ADDR_ 2
static void policy_of(const char *what, void *p) {
  int mode = -1;
  unsigned long mask[2] = {0, 0};
  long r = syscall(SYS_get_mempolicy, &mode, mask, 128, p, p ? MPOL_F_ADDR_ : 0);
  say("%s: %s mode %d nodes %lx", what, r == 0 ? "ok" : errno_name(errno), mode, mask[0]);
}
// Mappings around `p`, relative to it: policies split and join them.
static void pieces_at(char *p, long pages) {
  char line[512];
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) {
    unsigned long a = strtoul(line, 0, 16), b = strtoul(strchr(line, '-') + 1, 0, 16);
    if (a < (unsigned long)p + pages * 4096 && b > (unsigned long)p) say("  %ld..%ld", ((long)a - (long)p) / 4096, ((long)b - (long)p) / 4096);
  }
  fclose(f);
}
// Memory policies: of the task, inherited; of mappings, which they tell apart.
CASE(memory_policies) {
  unsigned long node0 = 1, node1 = 2;
  policy_of("fresh", 0);
  CALL(syscall(SYS_set_mempolicy, 2, &node0, 64));
  policy_of("bind", 0);
  CHILD(policy_of("inherited", 0));
  // Away from what it might join.
  char *p = mmap(0, 12 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(mprotect(p += 4096, 10 * 4096, PROT_READ | PROT_WRITE));
  policy_of("mapping", p);
  CALL(syscall(SYS_mbind, p + 4096, 3 * 4096, 3, &node0, 64, 0));
  policy_of("mapping", p), policy_of("its piece", p + 2 * 4096);
  pieces_at(p, 10);
  CALL(syscall(SYS_mbind, p + 2 * 4096, 4096, 1, NULL, 0, 0));
  policy_of("inside", p + 2 * 4096);
  pieces_at(p, 10);
  CALL(syscall(SYS_mbind, p + 2 * 4096, 4096, 3, &node0, 64, 0));
  pieces_at(p, 10);
  CHILD(policy_of("in a child", p + 4096));
  CALL(syscall(SYS_mbind, p + 4096, 3 * 4096, 0, NULL, 0, 0));
  pieces_at(p, 10);
  policy_of("default again", p + 4096);
  CALL(syscall(SYS_mbind, p, 4096, 3, &node1, 64, 0));
  CALL(syscall(SYS_mbind, p, 4096, 77, &node0, 64, 0));
  CALL(syscall(SYS_mbind, p + 1, 4096, 3, &node0, 64, 0));
  CALL(syscall(SYS_mbind, p, 4096, 3, &node0, 64, 64));
  NEED(munmap(p + 3 * 4096, 4096));
  CALL(syscall(SYS_mbind, p, 10 * 4096, 3, &node0, 64, 0));
  CALL(syscall(SYS_set_mempolicy, 0, NULL, 0));
  policy_of("task", 0);
}
