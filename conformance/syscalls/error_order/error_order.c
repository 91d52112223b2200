// SPDX-License-Identifier: Apache-2.0
// Calls with several things wrong at once: which of them is told.
#include "case.h"
#include <mqueue.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#define BAD ((void *)16)
#define RAW(...) CALL(syscall(__VA_ARGS__))

CASE(order_read_write) {
  int event = OK(eventfd(0, EFD_NONBLOCK)), epoll = OK(epoll_create1(0)), pipes[2];
  sigset_t none;
  sigemptyset(&none);
  int signals = OK(signalfd(-1, &none, SFD_NONBLOCK));
  NEED(pipe(pipes));
  make_file("f", "0123456789", 0644);
  int readable = OK(open("f", O_RDONLY));
  RAW(SYS_write, epoll, -4096l, 10l);
  RAW(SYS_write, signals, -4096l, 10l);
  RAW(SYS_read, epoll, -4096l, 10l);
  RAW(SYS_writev, readable, BAD, 5000l);
  RAW(SYS_writev, readable, BAD, 1l);
  RAW(SYS_readv, pipes[1], BAD, 2l);
  RAW(SYS_readv, epoll, BAD, 2l);
  RAW(SYS_preadv2, readable, BAD, 1l, 0l, 0l, -1l);
  RAW(SYS_preadv2, pipes[0], BAD, 1l, 0l, 0l, -1l);
  RAW(SYS_pwritev2, readable, BAD, 1l, 0l, 0l, -1l);
  RAW(SYS_preadv2, 99l, BAD, 1l, -5l, 0l, -1l);
  struct iovec nothing[2] = {{0, 0}, {0, 0}};
  CALL(readv(event, nothing, 2));
  struct iovec negative[2] = {{(void *)-4096l, 10}, {0, (size_t)-1}};
  CALL(readv(readable, negative, 2));
  RAW(SYS_sendfile, 99l, 99l, "constant", 4l);
  RAW(SYS_sendfile, 99l, 99l, BAD, 4l);
  RAW(SYS_readahead, readable, 0l, -1l);
  CALL(fallocate(readable, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096));
  CALL(flock(99, 32));
  CALL(fcntl(readable, F_SETOWN, 999999));
}
CASE(order_sockets) {
  int file = OK(open(".", O_RDONLY)), unix_socket = OK(socket(AF_UNIX, SOCK_STREAM, 0)), value;
  RAW(SYS_connect, file, BAD, 16l);
  RAW(SYS_connect, file, 0l, 4000l);
  RAW(SYS_connect, 99l, BAD, 16l);
  RAW(SYS_recvfrom, 99l, BAD, -1l, 0l, 0l, 0l);
  RAW(SYS_recvfrom, file, 0l, 0x8000000000000000l, 0l, 0l, 0l);
  RAW(SYS_sendto, 99l, BAD, -1l, 0l, BAD, 16l);
  RAW(SYS_accept4, 99l, 0l, 0l, -1l);
  RAW(SYS_accept4, file, 0l, 0l, -1l);
  RAW(SYS_socketpair, 77l, SOCK_STREAM, 0l, BAD);
  RAW(SYS_socketpair, 77l, SOCK_STREAM, 0l, &(int[2]){0});
  RAW(SYS_setsockopt, 99l, SOL_SOCKET, SO_REUSEADDR, &value, -1l);
  RAW(SYS_setsockopt, file, SOL_SOCKET, SO_REUSEADDR, &value, -1l);
  RAW(SYS_setsockopt, unix_socket, 6l, 1l, BAD, 4l);
  RAW(SYS_getsockopt, unix_socket, 6l, 1l, BAD, BAD);
  struct msghdr message = {.msg_name = BAD, .msg_namelen = 8, .msg_iovlen = 5000};
  CALL(sendmsg(unix_socket, &message, 0));
}
CASE(order_ipc_time) {
  int set = NEED(semget(IPC_PRIVATE, 1, 0600));
  RAW(SYS_semop, -1l, BAD, 1l);
  RAW(SYS_semop, -1l, BAD, -1l);
  RAW(SYS_semop, -1l, BAD, 0l);
  RAW(SYS_semtimedop, -1l, BAD, -1l, BAD);
  RAW(SYS_semctl, -2l, 0l, SETVAL, -1l);
  RAW(SYS_semctl, 12345, 0l, SETVAL, -1l);
  NEED(semctl(set, 0, IPC_RMID));
  CALL(semctl(set, 0, GETVAL));
  CALL(shmget(IPC_PRIVATE, 8, IPC_CREAT | SHM_HUGETLB | (9 << 26)));
  RAW(SYS_timer_create, 77l, BAD, 0l);
  RAW(SYS_timer_create, 77l, 0l, 0l);
  RAW(SYS_mq_timedsend, -1l, "x", 1l, 99999l, BAD);
  RAW(SYS_mq_open, BAD, 0l, 0l, BAD);
  RAW(SYS_epoll_wait, 99l, BAD, -1l, 0l);
  int file = OK(open(".", O_RDONLY));
  RAW(SYS_epoll_wait, file, BAD, -1l, 0l);
  RAW(SYS_epoll_wait, file, -4096l, 1l, 0l);
  RAW(SYS_epoll_wait, file, BAD, 1l, 0l);
  RAW(SYS_waitid, 77l, 0l, BAD, 0l, 0l);
  siginfo_t info;
  memset(&info, 7, sizeof info);
  RAW(SYS_waitid, 77l, 0l, &info, 0l, 0l);
  say("signo %d pid %d", info.si_signo, info.si_pid);
  RAW(SYS_sched_setparam, -5l, BAD);
  RAW(SYS_sched_setscheduler, -5l, 0l, BAD);
  RAW(SYS_select, 300l, BAD, 0l, 0l, 0l);
}
CASE(order_names) {
  int event = OK(eventfd(0, 0));
  make_file("f", "x", 0644);
  RAW(SYS_link, "none", BAD);
  RAW(SYS_link, "f/x", BAD);
  RAW(SYS_link, "f", BAD);
  RAW(SYS_rename, "f/x", BAD);
  RAW(SYS_rename, "none/x", "");
  RAW(SYS_rename, "none", BAD);
  RAW(SYS_mknod, BAD, 0040000l, 0l);
  RAW(SYS_mknod, BAD, 0170000l, 0l);
  RAW(SYS_mknod, BAD, 0100000l, 0l);
  struct stat st;
  RAW(SYS_newfstatat, event, "", &st, AT_EMPTY_PATH | 0x40000);
  RAW(SYS_newfstatat, event, "f", &st, AT_EMPTY_PATH | 0x40000);
  CALL(fchmod(event, 0600));
  CALL(fchown(event, 0, 0));
  RAW(SYS_fsetxattr, 99l, BAD, 0l, 0l, 0l);
  RAW(SYS_fgetxattr, 99l, BAD, 0l, 0l);
  RAW(SYS_fremovexattr, 99l, "", 0l);
  CALL(fsetxattr(99, "user.x", "", 0, 8));
}
