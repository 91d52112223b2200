// SPDX-License-Identifier: Apache-2.0
// Commands on kinds of descriptors that do not know them.
#include "case.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/timerfd.h>

#define KINDS 12
static const char *const names[KINDS] = {"directory", "pipe", "socket", "eventfd", "path", "reader", "pty", "timerfd", "inotify", "null", "proc", "fifo"};

static int descriptor(int kind) {
  int pair[2];
  switch (kind) {
    case 0: return open(".", O_RDONLY | O_DIRECTORY);
    case 1: NEED(pipe(pair)); return pair[0];
    case 2: NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair)); return pair[0];
    case 3: return eventfd(0, EFD_NONBLOCK);
    case 4: return open("f", O_PATH);
    case 5: return open("f", O_RDONLY);
    case 6: return posix_openpt(O_RDWR | O_NOCTTY);
    case 7: return timerfd_create(CLOCK_MONOTONIC, 0);
    case 8: return inotify_init();
    case 9: return open("/dev/null", O_RDWR);
    case 10: return open("/proc/self/stat", O_RDONLY);
    default: return open("fifo", O_RDWR | O_NONBLOCK);
  }
}
#define EACH(call)                                                                            \
  for (int kind = 0; kind < KINDS; kind++) {                                                  \
    int fd = NEED(descriptor(kind));                                                          \
    errno = 0;                                                                                \
    long result = (call);                                                                     \
    say("%s on %s: %s", #call, names[kind], result < 0 ? errno_name(errno) : "ok");           \
    close(fd);                                                                                \
  }
static void files(void) {
  make_file("f", "0123456789", 0644);
  NEED(mkfifo("fifo", 0600));
  signal(SIGIO, SIG_IGN);
}

CASE(kinds_status_flags) {
  files();
  EACH(fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT));
  int on = 1;
  EACH(ioctl(fd, FIOASYNC, &on));
  EACH(fcntl(fd, F_SETLEASE, F_UNLCK));
  EACH(fcntl(fd, F_ADD_SEALS, 0));
}
CASE(kinds_commands) {
  files();
  char buffer[256];
  memset(buffer, 0, sizeof buffer);
  EACH(ioctl(fd, 0x5460, buffer));
  EACH(ioctl(fd, 0x80086601, buffer));
  EACH(fsync(fd));
  EACH(sync_file_range(fd, 0, 0, 7));
  CALL(lseek(open("/proc/self/stat", O_RDONLY), 0, SEEK_END));
  EACH(setns(fd, 0));
  struct iovec nothing = {0, 0};
  EACH(readv(fd, &nothing, 1));
}
CASE(kinds_epoll) {
  files();
  int epoll = NEED(epoll_create1(0));
  struct epoll_event event = {EPOLLIN};
  EACH(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
  EACH(epoll_ctl(fd, EPOLL_CTL_ADD, epoll, &event));
}
CASE(kinds_proc_mode) {
  CALL(chmod("/proc/self/stat", 0600));
}
CASE(kinds_link_memfd) {
  int memory = NEED(memfd_create("m", 0));
  CALL(linkat(memory, "", AT_FDCWD, "l", AT_EMPTY_PATH));
}

// A buffer whose first bytes are good and whose rest is not mapped.
CASE(kinds_half_a_buffer) {
  int pipes[2], pair[2], event = NEED(eventfd(1, EFD_NONBLOCK));
  NEED(pipe2(pipes, O_NONBLOCK));
  NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
  char *area = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *end = area + 8192;
  munmap(end, 8192);
  memset(area, 'x', 8192);
  make_file("f", "0123456789", 0644);
  int file = NEED(open("f", O_RDWR));
  CALL(write(pipes[1], end - 4, 10));
  CALL(write(pipes[1], end - 5000, 6000));
  CALL(read(pipes[0], end - 4, 100));
  CALL(read(pipes[0], area, 8192));
  CALL(write(pair[1], end - 4, 10));
  CALL(write(pair[1], "0123456789", 10));
  CALL(read(pair[0], end - 4, 10));
  CALL(read(pair[0], area, 100));
  CALL(read(event, end - 4, 8));
  CALL(write(event, end - 4, 8));
  CALL(read(file, end - 4, 10));
  CALL(pwrite(file, end - 4, 10, 0));
  CALL(getrandom(KERNEL_POINTER, 0, 0));
}
