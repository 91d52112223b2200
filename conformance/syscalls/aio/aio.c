// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/aio_abi.h>
#include <sys/eventfd.h>

struct ring {
  unsigned id, nr, head, tail, magic, compat, incompat, header;
  struct io_event events[];
};
static long setup(unsigned n, aio_context_t *c) { return syscall(SYS_io_setup, n, c); }
static long destroy(aio_context_t c) { return syscall(SYS_io_destroy, c); }
static long submit(aio_context_t c, long n, struct iocb **p) { return syscall(SYS_io_submit, c, n, p); }
static long getevents(aio_context_t c, long min, long max, struct io_event *e, struct timespec *t) {
  return syscall(SYS_io_getevents, c, min, max, e, t);
}
static struct iocb make(int fd, int op, void *buf, size_t n, long off) {
  struct iocb cb = {.aio_fildes = fd, .aio_lio_opcode = op, .aio_buf = (uintptr_t)buf, .aio_nbytes = n, .aio_offset = off};
  return cb;
}
static long one(aio_context_t c, struct iocb *cb) { return submit(c, 1, &cb); }
#define DO(cb) ({ CALL(one(ctx, &(cb))); struct io_event e_; struct timespec z_ = {0}; \
  if (getevents(ctx, 0, 1, &e_, &z_) == 1) say("  res %lld %s res2 %lld", (long long)e_.res, (long long)e_.res < 0 ? errno_name(-e_.res) : "", (long long)e_.res2); \
  else say("  no event"); })

CASE(aio_setup_errors) {
  aio_context_t ctx = 0, again = 5;
  CALL(setup(0, &ctx));
  CALL(setup(1, (void *)0x10));
  CALL(setup(1, &again));
  CALL(setup(0x10000000, &ctx));
  CALL(setup(8000000, &ctx));
  CALL(destroy(0));
  CALL(destroy(0x1000));
  CALL(setup(10, &ctx));
  CALL(destroy(ctx));
  CALL(destroy(ctx));
  ctx = 0;
  CALL(setup(1, &ctx));
  struct io_event e;
  struct timespec z = {0}, bad = {0, -1};
  CALL(getevents(ctx, 0, 1, &e, &z));
  CALL(getevents(ctx, 2, 1, &e, &z));
  CALL(getevents(ctx, -1, 1, &e, &z));
  CALL(getevents(ctx, 0, -1, &e, &z));
  CALL(getevents(ctx, 0, 0, &e, &z));
  CALL(getevents(ctx, 0, 1, &e, &bad));
  CALL(getevents(ctx, 0, 1, &e, (void *)0x10));
  CALL(getevents(0, 0, 1, &e, &z));
  CALL(submit(ctx, -1, NULL));
  CALL(submit(ctx, 0, NULL));
  CALL(submit(ctx, 1, NULL));
  CALL(submit(0, 1, NULL));
  struct iocb *p = NULL;
  CALL(submit(ctx, 1, &p));
}

CASE(aio_ring_layout) {
  aio_context_t ctx = 0;
  CALL(setup(7, &ctx));
  struct ring *r = (void *)ctx;
  YES(r->magic == 0xa10a10a1);
  VAL(r->compat), VAL(r->incompat), VAL(r->header), VAL(r->head), VAL(r->tail);
  YES(r->nr >= 14);
  char line[512];
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) if (strstr(line, "[aio]")) say("%s %s", strchr(line, ' ') ? "mapped" : "", strstr(line, "/[aio]"));
  // What user-space consumers do: take the event without a call.
  make_file("f", "hello", 0644);
  char buf[16] = "";
  struct iocb cb = make(open("f", O_RDONLY), IOCB_CMD_PREAD, buf, 5, 0);
  cb.aio_data = 77;
  CALL(one(ctx, &cb));
  VAL(r->tail - r->head);
  VAL(r->events[r->head].data), VAL(r->events[r->head].res);
  YES(r->events[r->head].obj == (uintptr_t)&cb);
  r->head = (r->head + 1) % r->nr;
  struct io_event e;
  struct timespec z = {0};
  CALL(getevents(ctx, 0, 1, &e, &z));
  // Moved: the new address is the id.
  void *there = mmap(0, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  size_t size = 32 + r->nr * 32ul;
  void *moved = mremap((void *)ctx, (size + 4095) & ~4095ul, (size + 4095) & ~4095ul, MREMAP_MAYMOVE | MREMAP_FIXED, there);
  YES(moved == there);
  CALL(getevents(ctx, 0, 1, &e, &z));
  CALL(getevents((aio_context_t)moved, 0, 1, &e, &z));
  CALL(one((aio_context_t)moved, &cb));
  CALL(getevents((aio_context_t)moved, 1, 1, &e, NULL));
  CHILD(CALL(getevents((aio_context_t)moved, 0, 1, &e, &z)));
  CALL(destroy((aio_context_t)moved));
}

CASE(aio_read_write) {
  aio_context_t ctx = 0;
  NEED(setup(32, &ctx));
  int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
  char buf[32] = "hello, world";
  struct iocb w = make(fd, IOCB_CMD_PWRITE, buf, 12, 4);
  DO(w);
  char in[32] = "";
  struct iocb r = make(fd, IOCB_CMD_PREAD, in, 32, 0);
  DO(r);
  BYTES(in, 16);
  char a[4] = "", b[4] = "";
  struct iovec v[2] = {{a, 3}, {b, 3}};
  struct iocb rv = make(fd, IOCB_CMD_PREADV, v, 2, 4);
  DO(rv);
  STR(a), STR(b);
  struct iovec u[2] = {{"12", 2}, {"345", 3}};
  struct iocb wv = make(fd, IOCB_CMD_PWRITEV, u, 2, 0);
  DO(wv);
  CALL(lseek(fd, 0, SEEK_CUR));
  CALL(pread(fd, in, 32, 0));
  BYTES(in, 16);
  struct iocb eof = make(fd, IOCB_CMD_PREAD, in, 32, 100);
  DO(eof);
  struct iocb s = make(fd, IOCB_CMD_FSYNC, 0, 0, 0), d = make(fd, IOCB_CMD_FDSYNC, 0, 0, 0);
  CALL(one(ctx, &s));
  struct io_event e;
  CALL(getevents(ctx, 1, 1, &e, NULL));
  VAL(e.res);
  CALL(one(ctx, &d));
  CALL(getevents(ctx, 1, 1, &e, NULL));
  VAL(e.res);
  int ap = NEED(open("f", O_WRONLY | O_APPEND));
  struct iocb app = make(ap, IOCB_CMD_PWRITE, "END", 3, 0);
  DO(app);
  CALL(pread(fd, in, 32, 0));
  BYTES(in, 20);
}

CASE(aio_request_errors) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  int fd = NEED(open("f", O_RDWR | O_CREAT, 0644)), ro = NEED(open("f", O_RDONLY)), wo = NEED(open("f", O_WRONLY));
  int dir = NEED(open(".", O_RDONLY)), path = NEED(open("f", O_PATH)), ev = eventfd(0, 0);
  NEED(write(fd, "0123456789", 10));
  char buf[16];
  struct iocb c = make(99, IOCB_CMD_PREAD, buf, 4, 0);
  DO(c);
  c = make(path, IOCB_CMD_PREAD, buf, 4, 0), DO(c);
  c = make(dir, IOCB_CMD_PREAD, buf, 4, 0), DO(c);
  c = make(wo, IOCB_CMD_PREAD, buf, 4, 0), DO(c);
  c = make(ro, IOCB_CMD_PWRITE, buf, 4, 0), DO(c);
  c = make(fd, 99, buf, 4, 0), DO(c);
  c = make(fd, IOCB_CMD_NOOP, buf, 4, 0), DO(c);
  c = make(fd, IOCB_CMD_PREAD, buf, 4, -1), DO(c);
  c = make(fd, IOCB_CMD_PREAD, buf, -1, 0), DO(c);
  c = make(fd, IOCB_CMD_PREAD, BAD_POINTER, 4, 0), DO(c);
  c = make(fd, IOCB_CMD_PREAD, KERNEL_POINTER, 4, 0), DO(c);
  c = make(fd, IOCB_CMD_PREADV, BAD_POINTER, 1, 0), DO(c);
  c = make(fd, IOCB_CMD_PREADV, NULL, 5000, 0), DO(c);
  c = make(fd, IOCB_CMD_FSYNC, buf, 0, 0), DO(c);
  c = make(fd, IOCB_CMD_FSYNC, 0, 1, 0), DO(c);
  c = make(ev, IOCB_CMD_FSYNC, 0, 0, 0), DO(c);
  c = make(fd, IOCB_CMD_PREAD, buf, 4, 0), c.aio_reserved2 = 1, DO(c);
  c = make(fd, IOCB_CMD_PREAD, buf, 4, 0), c.aio_rw_flags = 0x8000, DO(c);
  c = make(fd, IOCB_CMD_PREAD, buf, 4, 0), c.aio_flags = IOCB_FLAG_RESFD, c.aio_resfd = 99, DO(c);
  c = make(fd, IOCB_CMD_PREAD, buf, 4, 0), c.aio_flags = IOCB_FLAG_RESFD, c.aio_resfd = fd, DO(c);
  c = make(fd, IOCB_CMD_PREAD, buf, 4, 0), c.aio_key = 9, DO(c);
  VAL(c.aio_key);
  // The second one is wrong: one is submitted.
  struct iocb good = make(fd, IOCB_CMD_PREAD, buf, 4, 0), bad = make(99, IOCB_CMD_PREAD, buf, 4, 0);
  struct iocb *two[2] = {&good, &bad};
  CALL(submit(ctx, 2, two));
  struct iocb *rev[2] = {&bad, &good};
  CALL(submit(ctx, 2, rev));
  CALL(syscall(SYS_io_cancel, ctx, &good, NULL));
  CALL(syscall(SYS_io_cancel, ctx, BAD_POINTER, NULL));
  CALL(syscall(SYS_io_cancel, 0, &good, NULL));
}

CASE(aio_eventfd) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  make_file("f", "0123456789", 0644);
  int fd = open("f", O_RDONLY), ev = eventfd(0, EFD_NONBLOCK);
  char a[4], b[4];
  struct iocb c = make(fd, IOCB_CMD_PREAD, a, 4, 0), d = make(fd, IOCB_CMD_PREAD, b, 4, 4);
  c.aio_flags = d.aio_flags = IOCB_FLAG_RESFD, c.aio_resfd = d.aio_resfd = ev;
  struct iocb *both[2] = {&c, &d};
  CALL(submit(ctx, 2, both));
  uint64_t n = 0;
  CALL(read(ev, &n, 8));
  VAL(n);
  struct io_event e[4];
  CALL(getevents(ctx, 2, 4, e, NULL));
  CALL(read(ev, &n, 8));
}

CASE(aio_poll) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  int p[2], ev = eventfd(0, EFD_NONBLOCK);
  NEED(pipe(p));
  struct io_event e;
  struct timespec z = {0};
  struct iocb c = make(p[0], IOCB_CMD_POLL, (void *)POLLIN, 0, 0);
  c.aio_flags = IOCB_FLAG_RESFD, c.aio_resfd = ev, c.aio_data = 5;
  CALL(one(ctx, &c));
  CALL(getevents(ctx, 0, 1, &e, &z));
  CALL(write(p[1], "x", 1));
  CALL(getevents(ctx, 1, 1, &e, NULL));
  VAL(e.data), VAL(e.res);
  uint64_t n = 0;
  CALL(read(ev, &n, 8));
  VAL(n);
  // Ready at once; one shot.
  CALL(one(ctx, &c));
  CALL(getevents(ctx, 1, 1, &e, NULL));
  VAL(e.res);
  CALL(getevents(ctx, 0, 1, &e, &z));
  char b[4];
  NEED(read(p[0], b, 1));
  // Cancelled.
  CALL(one(ctx, &c));
  CALL(syscall(SYS_io_cancel, ctx, &c, &e));
  CALL(getevents(ctx, 1, 1, &e, NULL));
  VAL(e.res);
  CALL(syscall(SYS_io_cancel, ctx, &c, &e));
  // Closed other end.
  CALL(one(ctx, &c));
  close(p[1]);
  CALL(getevents(ctx, 1, 1, &e, NULL));
  VAL(e.res);
  c = make(p[0], IOCB_CMD_POLL, (void *)0x10001, 0, 0), DO(c);
  c = make(p[0], IOCB_CMD_POLL, (void *)POLLIN, 1, 0), DO(c);
  int fd = open("f", O_RDWR | O_CREAT, 0644);
  c = make(fd, IOCB_CMD_POLL, (void *)(POLLIN | POLLOUT), 0, 0), DO(c);
  NEED(pipe(p));
  c = make(p[0], IOCB_CMD_POLL, (void *)POLLIN, 0, 0);
  CALL(one(ctx, &c));
  CALL(destroy(ctx));
}

static void *waiter(void *c) {
  struct io_event e;
  return (void *)(getevents((aio_context_t)c, 1, 1, &e, NULL) == 1 ? (long)e.res : -(long)errno);
}
CASE(aio_waiting) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  struct io_event e[4];
  struct timespec t = {0, 30000000};
  long long before = now_ms();
  CALL(getevents(ctx, 1, 4, e, &t));
  YES(now_ms() - before >= 29);
  pthread_t th;
  void *r;
  pthread_create(&th, 0, waiter, (void *)ctx);
  sleep_ms(100);
  make_file("f", "12345", 0644);
  char b[8];
  struct iocb c = make(open("f", O_RDONLY), IOCB_CMD_PREAD, b, 8, 0);
  CALL(one(ctx, &c));
  pthread_join(th, &r);
  VAL((long)r);
  CALL(one(ctx, &c));
  CALL(getevents(ctx, 2, 4, e, &t));
  pthread_create(&th, 0, waiter, (void *)ctx);
  sleep_ms(100);
  CALL(destroy(ctx));
  pthread_join(th, &r);
  say("waiter %s", errno_name(-(long)r));
}
static void nothing(int s) { (void)s; }
CASE(aio_signal) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &sa, 0);
  struct itimerval it = {.it_value = {0, 50000}};
  struct io_event e;
  setitimer(ITIMER_REAL, &it, 0);
  CALL(getevents(ctx, 1, 1, &e, NULL));
  sigset_t block, none;
  sigemptyset(&block), sigemptyset(&none), sigaddset(&block, SIGALRM);
  sigprocmask(SIG_BLOCK, &block, 0);
  struct { void *mask; size_t size; } arg = {&none, 8}, bad = {&none, 9};
  setitimer(ITIMER_REAL, &it, 0);
  CALL(syscall(SYS_io_pgetevents, ctx, 1, 1, &e, NULL, &arg));
  CALL(syscall(SYS_io_pgetevents, ctx, 1, 1, &e, NULL, &bad));
  struct timespec z = {0};
  CALL(syscall(SYS_io_pgetevents, ctx, 0, 1, &e, &z, NULL));
}
CASE(aio_full) {
  aio_context_t ctx = 0;
  NEED(setup(1, &ctx));
  make_file("f", "12345", 0644);
  char b[8];
  struct iocb c = make(open("f", O_RDONLY), IOCB_CMD_PREAD, b, 8, 0);
  int n = 0;
  while (one(ctx, &c) == 1 && n < 100000) n++;
  say("%s", errno_name(errno));
  YES(n >= 1 && n < (int)((struct ring *)ctx)->nr);
  struct io_event *e = calloc(n, sizeof *e);
  YES(getevents(ctx, n, n, e, NULL) == n);
  CALL(one(ctx, &c));
}
CASE(aio_pipe_and_socket) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  int p[2], s[2];
  NEED(pipe(p)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  char b[8] = "abc";
  struct iocb c = make(p[1], IOCB_CMD_PWRITE, b, 3, 0);
  DO(c);
  c = make(p[0], IOCB_CMD_PREAD, b, 8, 0), DO(c);
  c = make(s[1], IOCB_CMD_PWRITE, b, 3, 0), DO(c);
  c = make(s[0], IOCB_CMD_PREAD, b, 8, 0), DO(c);
  fcntl(p[0], F_SETFL, O_NONBLOCK);
  c = make(p[0], IOCB_CMD_PREAD, b, 8, 0), DO(c);
  fcntl(p[0], F_SETFL, 0);
  if (fork() == 0) sleep_ms(100), write(p[1], "late", 4), _exit(0);
  DO(c);
  int ev = eventfd(3, 0);
  c = make(ev, IOCB_CMD_PREAD, b, 8, 0), DO(c);
  c = make(ev, IOCB_CMD_PWRITE, b, 8, 0), DO(c);
}

// What would wait, and is told not to, completes with EAGAIN.
CASE(aio_nowait) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  int p[2], s[2];
  NEED(pipe(p)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  char b[8] = "abc";
  struct iocb c = make(p[0], IOCB_CMD_PREAD, b, 8, 0);
  c.aio_rw_flags = 8;
  DO(c);
  CALL(write(p[1], "xy", 2));
  DO(c);
  c.aio_fildes = s[0];
  DO(c);
  make_file("f", "12345", 0644);
  c.aio_fildes = open("f", O_RDONLY);
  DO(c);
}
// The kernel's signals may fill an eventfd's counter to its very end, which writes cannot.
CASE(aio_fills_eventfd) {
  aio_context_t ctx = 0;
  NEED(setup(8, &ctx));
  make_file("f", "12345", 0644);
  char b[8];
  int ev = eventfd(0, EFD_NONBLOCK);
  struct iocb c = make(open("f", O_RDONLY), IOCB_CMD_PREAD, b, 8, 0);
  c.aio_flags = IOCB_FLAG_RESFD, c.aio_resfd = ev;
  uint64_t most = UINT64_MAX - 1, one_more = 1;
  CALL(write(ev, &most, 8));
  struct pollfd q = {ev, POLLIN | POLLOUT};
  CALL(poll(&q, 1, 0));
  VAL(q.revents);
  for (int i = 0; i < 2; i++) {
    DO(c);
    CALL(poll(&q, 1, 0));
    VAL(q.revents);
  }
  CALL(write(ev, &one_more, 8));
  CALL(read(ev, &most, 8));
  YES(most == UINT64_MAX);
  CALL(read(ev, &most, 8));
}
