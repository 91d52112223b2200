// SPDX-License-Identifier: Apache-2.0
// userfaultfd(2): the handshake, registering, missing and write-protect faults resolved by another thread.
#include "case.h"
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define PAGE 4096ul
// Features an older kernel has as well.
#define KNOWN (UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_SIGBUS | UFFD_FEATURE_THREAD_ID)

static int open_faults(int flags) { return syscall(SYS_userfaultfd, flags); }

static int ready(unsigned long features) {
  int fd = NEED(open_faults(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  struct uffdio_api api = {UFFD_API, features, 0};
  NEED(ioctl(fd, UFFDIO_API, &api));
  return fd;
}

static char *pages(int count, int flags) {
  return mmap(0, count * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
}

static long enroll(int fd, void *at, unsigned long length, unsigned long mode) {
  struct uffdio_register request = {{(unsigned long)at, length}, mode, 0};
  return ioctl(fd, UFFDIO_REGISTER, &request);
}

CASE(userfaultfd_flags) {
  CALL(open_faults(2));
  CALL(open_faults(UFFD_USER_MODE_ONLY | 4));
  int fd = OK(open_faults(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  VAL(fcntl(fd, F_GETFD));
  OCT(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
  char link[64] = "", path[64];
  sprintf(path, "/proc/self/fd/%d", fd);
  readlink(path, link, 63);
  STR(link);
  close(fd);
  become(65534);
  CALL(open_faults(0));
  OK(open_faults(UFFD_USER_MODE_ONLY));
}

CASE(userfaultfd_handshake) {
  int fd = NEED(open_faults(O_NONBLOCK | UFFD_USER_MODE_ONLY));
  struct uffd_msg message;
  char *at = pages(1, MAP_PRIVATE);
  struct pollfd poll_fd = {fd, POLLIN, 0};
  CALL(poll(&poll_fd, 1, 0));
  VAL(poll_fd.revents);
  CALL(read(fd, &message, sizeof message));
  CALL(enroll(fd, at, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  CALL(ioctl(fd, UFFDIO_API, BAD_POINTER));
  struct uffdio_api api = {UFFD_API + 1, 0, 7};
  CALL(ioctl(fd, UFFDIO_API, &api));
  VAL(api.api | api.features | api.ioctls);
  api = (struct uffdio_api){UFFD_API, 1ul << 40, 7};
  CALL(ioctl(fd, UFFDIO_API, &api));
  VAL(api.api | api.features | api.ioctls);
  api = (struct uffdio_api){UFFD_API, 0, 0};
  CALL(ioctl(fd, UFFDIO_API, &api));
  YES((api.features & KNOWN) == KNOWN);
  VAL((long)(api.ioctls == (1ul << _UFFDIO_REGISTER | 1ul << _UFFDIO_UNREGISTER | 1ul << _UFFDIO_API)));
  CALL(ioctl(fd, UFFDIO_API, &api));
  CALL(poll(&poll_fd, 1, 0));
  CALL(read(fd, &message, sizeof message));
  CALL(read(fd, &message, 8));
  CALL(write(fd, &message, 8));
  CALL(ioctl(fd, _IO(0xaa, 0x30), 0));
}

CASE(userfaultfd_register_errors) {
  int fd = ready(0);
  char *at = pages(4, MAP_PRIVATE);
  CALL(enroll(fd, at, PAGE, 0));
  CALL(enroll(fd, at, PAGE, 64));
  CALL(enroll(fd, at + 1, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  CALL(enroll(fd, at, 100, UFFDIO_REGISTER_MODE_MISSING));
  CALL(enroll(fd, at, 0, UFFDIO_REGISTER_MODE_MISSING));
  CALL(enroll(fd, (void *)-PAGE, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  CALL(enroll(fd, (void *)0x7fffffffe000, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  struct uffdio_register request = {{(unsigned long)at, 4 * PAGE}, UFFDIO_REGISTER_MODE_MISSING, 0};
  CALL(ioctl(fd, UFFDIO_REGISTER, &request));
  YES((request.ioctls >> _UFFDIO_COPY & 1) && (request.ioctls >> _UFFDIO_ZEROPAGE & 1) && (request.ioctls >> _UFFDIO_WAKE & 1));
  int other = ready(0);
  CALL(enroll(other, at, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  munmap(at + PAGE, PAGE);
  struct uffdio_range range = {(unsigned long)at + PAGE, PAGE};
  CALL(ioctl(fd, UFFDIO_UNREGISTER, &range));
  range.start = (unsigned long)at;
  CALL(ioctl(fd, UFFDIO_UNREGISTER, &range));
  VAL(at[0]);
  CALL(ioctl(fd, UFFDIO_WAKE, &range));
}

static int faults;
static char *area;
static volatile int seen;

// Resolves each missing page: the second one with zeros, others with the page's number.
static void *resolve(void *blocks) {
  static char source[PAGE] __attribute__((aligned(4096)));
  for (int i = 0; i < 4; i++) {
    struct uffd_msg message;
    if (!blocks) {
      struct pollfd wait = {faults, POLLIN, 0};
      poll(&wait, 1, -1);
    }
    long n = read(faults, &message, sizeof message);
    if (n != sizeof message) say("read %ld", n);
    unsigned long page = message.arg.pagefault.address & ~(PAGE - 1);
    long index = (page - (unsigned long)area) / PAGE;
    say("event %d page %ld flags %ld", message.event, index, (long)message.arg.pagefault.flags);
    seen++;
    if (index == 1) {
      struct uffdio_zeropage zero = {{page, PAGE}, 0, 0};
      CALL(ioctl(faults, UFFDIO_ZEROPAGE, &zero));
      VAL(zero.zeropage);
    } else {
      memset(source, 'a' + index, PAGE);
      struct uffdio_copy copy = {page, (unsigned long)source, PAGE, 0, 0};
      CALL(ioctl(faults, UFFDIO_COPY, &copy));
      VAL(copy.copy);
      copy.copy = 0;
      CALL(ioctl(faults, UFFDIO_COPY, &copy));
      VAL(copy.copy);
    }
  }
  return 0;
}

static void faults_in(int flags, int blocking) {
  faults = ready(0);
  if (blocking) fcntl(faults, F_SETFL, 0);
  area = pages(4, flags);
  NEED(enroll(faults, area, 4 * PAGE, UFFDIO_REGISTER_MODE_MISSING));
  pthread_t thread;
  pthread_create(&thread, 0, resolve, blocking ? area : 0);
  volatile char *at = area;
  char found[5] = "";
  found[0] = at[10];
  found[1] = at[PAGE] + '0';
  at[2 * PAGE] = '!';
  found[2] = at[2 * PAGE + 1];
  found[3] = at[3 * PAGE];
  pthread_join(thread, 0);
  STR(found);
  VAL(at[2 * PAGE]);
  VAL(seen);
}

CASE(userfaultfd_missing) { faults_in(MAP_PRIVATE, 0); }
CASE(userfaultfd_missing_blocking_read) { faults_in(MAP_PRIVATE, 1); }
CASE(userfaultfd_missing_shared) { faults_in(MAP_SHARED, 0); }

CASE(userfaultfd_copy_errors) {
  int fd = ready(0);
  char *at = pages(300, MAP_PRIVATE), *from = pages(300, MAP_PRIVATE);
  memset(from, 'x', 300 * PAGE);
  NEED(enroll(fd, at, 300 * PAGE, UFFDIO_REGISTER_MODE_MISSING));
  struct uffdio_copy copy = {(unsigned long)at, (unsigned long)from, 100, 0, 0};
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  copy.len = 0;
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  copy.len = PAGE, copy.mode = 128;
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  copy.mode = 0, copy.src = 0x10;
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  VAL(copy.copy == -EFAULT);
  copy.src = (unsigned long)from, copy.dst = (unsigned long)from;
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  copy.dst = (unsigned long)at, copy.len = 300 * PAGE;
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  VAL(copy.copy / PAGE);
  YES(memcmp(at, from, 300 * PAGE) == 0);
  madvise(at + 10 * PAGE, 290 * PAGE, MADV_DONTNEED);
  copy.dst += 10 * PAGE, copy.len = 8 * PAGE;
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  copy.len = 16 * PAGE, copy.dst += 4 * PAGE;
  CALL(ioctl(fd, UFFDIO_COPY, &copy));
  VAL(copy.copy == -EEXIST);
}

static void on_bus(int signo, siginfo_t *info, void *context) {
  (void)context;
  say("%s at page %ld", signal_name(signo), ((long)info->si_addr - (long)area) / (long)PAGE);
  _exit(0);
}

CASE(userfaultfd_sigbus) {
  int fd = ready(UFFD_FEATURE_SIGBUS);
  area = pages(2, MAP_PRIVATE);
  NEED(enroll(fd, area, 2 * PAGE, UFFDIO_REGISTER_MODE_MISSING));
  struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &action, 0);
  CHILD(VAL(area[PAGE]));
  area[PAGE] = 1;
}

static void *touch(void *unused) {
  (void)unused;
  return (void *)(long)*(volatile char *)area;
}

// A thread that waits for a page can be told to run a handler, and goes on waiting.
static volatile int handled;
static void on_usr(int signo) { (void)signo; handled++; }

CASE(userfaultfd_waiter_takes_signals) {
  faults = ready(UFFD_FEATURE_THREAD_ID);
  area = pages(1, MAP_PRIVATE);
  NEED(enroll(faults, area, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  signal(SIGUSR1, on_usr);
  pthread_t thread;
  pthread_create(&thread, 0, touch, 0);
  struct pollfd wait = {faults, POLLIN, 0};
  CALL(poll(&wait, 1, 5000));
  pthread_kill(thread, SIGUSR1);
  while (!handled) usleep(1000);
  struct uffdio_zeropage zero = {{(unsigned long)area, PAGE}, 0, 0};
  CALL(ioctl(faults, UFFDIO_ZEROPAGE, &zero));
  void *value;
  pthread_join(thread, &value);
  VAL((long)value);
}

CASE(userfaultfd_waiter_is_killed) {
  CHILD({
    faults = ready(0);
    area = pages(1, MAP_PRIVATE);
    NEED(enroll(faults, area, PAGE, UFFDIO_REGISTER_MODE_MISSING));
    alarm(1);
    touch(0);
  });
}

CASE(userfaultfd_close_lets_go) {
  faults = ready(0);
  area = pages(1, MAP_PRIVATE);
  NEED(enroll(faults, area, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  pthread_t thread;
  pthread_create(&thread, 0, touch, 0);
  struct pollfd wait = {faults, POLLIN, 0};
  CALL(poll(&wait, 1, 5000));
  close(faults);
  void *value;
  pthread_join(thread, &value);
  VAL((long)value);
}

static void *unprotect(void *unused) {
  (void)unused;
  struct uffd_msg message;
  struct pollfd wait = {faults, POLLIN, 0};
  poll(&wait, 1, -1);
  CALL(read(faults, &message, sizeof message));
  say("flags %ld", (long)message.arg.pagefault.flags);
  struct uffdio_writeprotect off = {{(unsigned long)area, PAGE}, 0};
  CALL(ioctl(faults, UFFDIO_WRITEPROTECT, &off));
  return 0;
}

CASE(userfaultfd_write_protect) {
  faults = ready(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
  area = pages(1, MAP_PRIVATE);
  area[0] = 1;
  NEED(enroll(faults, area, PAGE, UFFDIO_REGISTER_MODE_WP));
  struct uffdio_writeprotect on = {{(unsigned long)area, PAGE}, UFFDIO_WRITEPROTECT_MODE_WP};
  CALL(ioctl(faults, UFFDIO_WRITEPROTECT, &on));
  VAL(area[0]);
  pthread_t thread;
  pthread_create(&thread, 0, unprotect, 0);
  area[0] = 2;
  pthread_join(thread, 0);
  VAL(area[0]);
}

CASE(userfaultfd_user_mode_only) {
  int fd = ready(0);
  char *at = pages(1, MAP_PRIVATE);
  NEED(enroll(fd, at, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  int zero = open("/dev/zero", O_RDONLY);
  CALL(read(zero, at, 10));
  int pipe_fds[2];
  NEED(pipe(pipe_fds));
  CALL(write(pipe_fds[1], at, 10));
}

CASE(userfaultfd_not_inherited) {
  faults = ready(0);
  area = pages(1, MAP_PRIVATE);
  NEED(enroll(faults, area, PAGE, UFFDIO_REGISTER_MODE_MISSING));
  CHILD(VAL(area[0]));
}
