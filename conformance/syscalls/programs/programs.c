// SPDX-License-Identifier: Apache-2.0
// What unmodified programs did that Linux and the sandbox answered differently, each at its smallest.
#include "case.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/shm.h>
#include <termio.h>

/* redis-server listens on 0.0.0.0 and then, IPV6_V6ONLY, on :: with the same port. */
CASE(listen_on_both_families) {
  int a = NEED(socket(AF_INET, SOCK_STREAM, 0)), b = NEED(socket(AF_INET6, SOCK_STREAM, 0)), c = NEED(socket(AF_INET6, SOCK_STREAM, 0)), on = 1;
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  socklen_t n = sizeof four;
  setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  CALL(bind(a, (void *)&four, sizeof four));
  CALL(listen(a, 5));
  getsockname(a, (void *)&four, &n);
  six.sin6_port = four.sin_port;
  setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(b, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  CALL(bind(b, (void *)&six, sizeof six));
  CALL(listen(b, 5));
  setsockopt(c, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  CALL(bind(c, (void *)&six, sizeof six));
}

/* python's test_posix: a negative pid is no process. */
CASE(affinity_of_negative_pid) {
  cpu_set_t s;
  CPU_ZERO(&s);
  CPU_SET(0, &s);
  CALL(sched_getaffinity(-1, sizeof s, &s));
  CALL(sched_setaffinity(-1, sizeof s, &s));
}

/* python's test_signal sends through an open /proc/pid. */
CASE(pidfd_send_signal_through_proc) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d", getpid());
  int fd = NEED(open(path, O_DIRECTORY));
  CALL(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
  int thread = NEED(openat(fd, "task", O_DIRECTORY));
  CALL(syscall(SYS_pidfd_send_signal, thread, 0, NULL, 0));
  int path_fd = NEED(open(path, O_PATH));
  CALL(syscall(SYS_pidfd_send_signal, path_fd, 0, NULL, 0));
  snprintf(path, sizeof path, "/proc/%d/task/%d", getpid(), getpid());
  int tid = NEED(open(path, O_DIRECTORY));
  CALL(syscall(SYS_pidfd_send_signal, tid, 0, NULL, 0));
}

/* python's test_fcntl passes F_NOTIFY a 32-bit flag. */
CASE(fcntl_notify_nothing) {
  int d = NEED(open("/", O_DIRECTORY)), f = NEED(open("file", O_CREAT | O_RDWR, 0600));
  CALL(fcntl(d, F_NOTIFY, DN_MULTISHOT));
  CALL(fcntl(f, F_NOTIFY, DN_MULTISHOT));
  CALL(fcntl(f, F_NOTIFY, DN_MODIFY));
}

/* stress-ng --kcmp: a process compares equal with itself, whatever is compared. */
CASE(kcmp_with_itself) {
  for (int type = 1; type <= 6; type++) CALL(syscall(SYS_kcmp, getpid(), getpid(), type, 0, 0));
}

/* stress-ng --shm-sysv: the largest sizes. */
CASE(shmget_beyond_the_limit) {
  CALL(shmget(IPC_PRIVATE, (size_t)-1, IPC_CREAT | 0600));
  CALL(shmget(IPC_PRIVATE, (size_t)-1 - (1UL << 24) + 1, IPC_CREAT | 0600));
  CALL(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
}

/* stress-ng --pty: the terminal calls of System V and the locked settings. */
CASE(termio_and_locked_settings) {
  int master, slave;
  NEED(openpty(&master, &slave, NULL, NULL, NULL));
  struct termio t = {0};
  CALL(ioctl(slave, TCGETA, &t));
  VAL(t.c_iflag); VAL(t.c_oflag); VAL(t.c_cflag); VAL(t.c_lflag); VAL(t.c_line);
  for (int i = 0; i < NCC; i++) VAL(t.c_cc[i]);
  t.c_lflag &= ~ECHO;
  t.c_cc[0] = 7;
  CALL(ioctl(slave, TCSETA, &t));
  CALL(ioctl(slave, TCSETAW, &t));
  CALL(ioctl(slave, TCSETAF, &t));
  CALL(ioctl(slave, TCGETA, NULL));
  CALL(ioctl(slave, TCSETA, NULL));
  struct termios s;
  NEED(tcgetattr(slave, &s));
  VAL(s.c_lflag); VAL(s.c_cc[0]);
  struct { unsigned i, o, c, l; unsigned char line, cc[19]; } locked = {0};
  CALL(ioctl(slave, TIOCGLCKTRMIOS, &locked));
  locked.l = ISIG;
  locked.cc[1] = 1;
  CALL(ioctl(slave, TIOCSLCKTRMIOS, &locked));
  s.c_lflag &= ~(ISIG | ICANON);
  s.c_cc[0] = 9; s.c_cc[1] = 9;
  CALL(tcsetattr(slave, TCSANOW, &s));
  NEED(tcgetattr(slave, &s));
  VAL(s.c_lflag); VAL(s.c_cc[0]); VAL(s.c_cc[1]);
  CALL(ioctl(slave, TIOCGLCKTRMIOS, &locked));
  VAL(locked.l);
}
