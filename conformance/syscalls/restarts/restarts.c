// SPDX-License-Identifier: Apache-2.0
// What a handled signal does to each blocking call, without and with SA_RESTART (signal(7), "Interruption of system calls").
#include "case.h"
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/timerfd.h>

static volatile int caught;
static void on_signal(int s) { caught++; }

// Runs a blocking expression that a signal hits after 30 ms and that a helper process ends after 150 ms, if it goes on.
static void interrupted(const char *text, long (*call)(void), void (*finish)(void)) {
  for (int restart = 0; restart < 2; restart++) {
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};
    struct itimerval t = {{0, 0}, {0, 30000}}, off = {0};
    caught = 0;
    sigaction(SIGALRM, &a, 0);
    pid_t helper = finish ? fork() : 0;
    if (finish && helper == 0) {
      setitimer(ITIMER_REAL, &off, 0);
      sleep_ms(150);
      finish();
      _exit(0);
    }
    setitimer(ITIMER_REAL, &t, 0);
    errno = 0;
    long r = call();
    int e = errno;
    if (r == -1) say("%s %s: %s, %d signal", text, restart ? "restart" : "plain", errno_name(e), caught);
    else say("%s %s: %ld, %d signal", text, restart ? "restart" : "plain", r, caught);
    if (finish) waitpid(helper, 0, 0);
  }
}
static int p[2], q[2];
static char byte;
static void write_p(void) { write(p[1], "x", 1); }
static long read_pipe(void) { return read(p[0], &byte, 1); }
static long poll_pipe(void) { struct pollfd f = {p[0], POLLIN}; long r = poll(&f, 1, 3000); if (r > 0) read(p[0], &byte, 1); return r; }
static long select_pipe(void) { fd_set r; FD_ZERO(&r); FD_SET(p[0], &r); long n = select(p[0] + 1, &r, 0, 0, NULL); if (n > 0) read(p[0], &byte, 1); return n; }
static long epoll_pipe(void) { int e = epoll_create1(0); struct epoll_event v = {EPOLLIN}; epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v); long r = epoll_wait(e, &v, 1, 3000); int k = errno; if (r > 0) read(p[0], &byte, 1); close(e); errno = k; return r; }
CASE(restart_pipe_and_polls) {
  NEED(pipe(p));
  interrupted("read", read_pipe, write_p);
  while (fcntl(p[0], F_SETFL, O_NONBLOCK), read(p[0], &byte, 1) == 1) {}
  fcntl(p[0], F_SETFL, 0);
  interrupted("poll", poll_pipe, write_p);
  while (fcntl(p[0], F_SETFL, O_NONBLOCK), read(p[0], &byte, 1) == 1) {}
  fcntl(p[0], F_SETFL, 0);
  interrupted("select", select_pipe, write_p);
  while (fcntl(p[0], F_SETFL, O_NONBLOCK), read(p[0], &byte, 1) == 1) {}
  fcntl(p[0], F_SETFL, 0);
  interrupted("epoll_wait", epoll_pipe, write_p);
}
static long write_full(void) { char b[4096] = {0}; long n = write(p[1], b, 4096); return n; }
static void drain_p(void) { char b[65536]; read(p[0], b, sizeof b); }
CASE(restart_pipe_write) {
  NEED(pipe(p));
  char b[65536] = {0};
  NEED(write(p[1], b, 65536));
  interrupted("write", write_full, drain_p);
}
static long wait_child(void) { int s; long r = waitpid(-1, &s, 0); return r > 0 ? 1 : r; }
CASE(restart_wait) {
  for (int restart = 0; restart < 2; restart++) {
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};
    struct itimerval t = {{0, 0}, {0, 30000}};
    sigaction(SIGALRM, &a, 0);
    pid_t c = fork();
    if (c == 0) { sleep_ms(150); _exit(0); }
    setitimer(ITIMER_REAL, &t, 0);
    CALL(wait_child());
    waitpid(c, 0, 0);
  }
}
static int word;
static long wait_futex(void) { struct timespec t = {0, 100000000}; return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, 0, 0); }
CASE(restart_futex) { interrupted("futex", wait_futex, NULL); }
static long sleep_a_while(void) { struct timespec t = {0, 100000000}; return nanosleep(&t, NULL); }
static long clock_sleep(void) { struct timespec t = {0, 100000000}; long r = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL); if (r > 0) { errno = r; return -1; } return r; }
CASE(restart_sleeps) {
  interrupted("nanosleep", sleep_a_while, NULL);
  interrupted("clock_nanosleep", clock_sleep, NULL);
}
static int lock_fd;
static long take_lock(void) { int fd = open("f", O_RDWR); struct flock l = {.l_type = F_WRLCK}; long r = fcntl(fd, F_OFD_SETLKW, &l); int e = errno; close(fd); errno = e; return r; }
CASE(restart_record_lock) {
  make_file("f", "x", 0600);
  int fd = NEED(open("f", O_RDWR));
  struct flock l = {.l_type = F_WRLCK};
  struct sigaction a = {.sa_handler = on_signal};
  struct itimerval t = {{0, 0}, {0, 30000}};
  NEED(fcntl(fd, F_OFD_SETLK, &l));
  sigaction(SIGALRM, &a, 0);
  setitimer(ITIMER_REAL, &t, 0);
  CALL(take_lock());
  setitimer(ITIMER_REAL, &t, 0);
  int other = NEED(open("f", O_RDWR));
  NEED(flock(fd, LOCK_EX));
  CALL(flock(other, LOCK_EX));
}
static long read_eventfd(void) { uint64_t v; return read(lock_fd, &v, 8); }
static void write_eventfd(void) { eventfd_write(lock_fd, 1); }
CASE(restart_event_files) {
  lock_fd = NEED(eventfd(0, 0));
  interrupted("eventfd", read_eventfd, write_eventfd);
  lock_fd = NEED(timerfd_create(CLOCK_MONOTONIC, 0));
  struct itimerspec t = {{0, 100000000}, {0, 100000000}};
  NEED(timerfd_settime(lock_fd, 0, &t, 0));
  interrupted("timerfd", read_eventfd, NULL);
}
static long receive(void) { return recv(p[0], &byte, 1, 0); }
static void send_byte(void) { send(p[1], "x", 1, 0); }
CASE(restart_sockets) {
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
  interrupted("recv", receive, send_byte);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
  struct timeval t = {2, 0};
  NEED(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  interrupted("recv with timeout", receive, send_byte);
}
static int id;
static struct { long type; char text[8]; } message = {1, "x"};
static long receive_message(void) { return msgrcv(id, &message, 8, 0, 0); }
static void send_message(void) { msgsnd(id, &message, 2, 0); }
static long take_semaphore(void) { struct sembuf b = {0, -1, 0}; return semop(id, &b, 1); }
static void give_semaphore(void) { struct sembuf b = {0, 1, 0}; semop(id, &b, 1); }
CASE(restart_sysv) {
  id = NEED(msgget(IPC_PRIVATE, 0600));
  interrupted("msgrcv", receive_message, send_message);
  msgctl(id, IPC_RMID, 0);
  id = NEED(semget(IPC_PRIVATE, 1, 0600));
  interrupted("semop", take_semaphore, give_semaphore);
  semctl(id, 0, IPC_RMID);
}
static long wait_signal(void) { sigset_t m; sigemptyset(&m); sigaddset(&m, SIGUSR1); struct timespec t = {0, 100000000}; return sigtimedwait(&m, NULL, &t); }
static long suspend(void) { sigset_t m; sigemptyset(&m); return sigsuspend(&m); }
CASE(restart_signal_waits) {
  interrupted("sigtimedwait", wait_signal, NULL);
  interrupted("sigsuspend", suspend, NULL);
  interrupted("pause", (long (*)(void))pause, NULL);
}
static long open_fifo(void) { int fd = open("fifo", O_RDONLY); if (fd >= 0) { close(fd); return 1; } return fd; }
static void open_writer(void) { open("fifo", O_WRONLY); sleep_ms(50); }
CASE(restart_fifo_open) {
  NEED(mkfifo("fifo", 0600));
  // Only the restarted one meets the writer; the other helper's writer must not wait for ever.
  struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  struct itimerval t = {{0, 0}, {0, 30000}};
  sigaction(SIGALRM, &a, 0);
  pid_t c = fork();
  if (c == 0) { sleep_ms(150); open_writer(); _exit(0); }
  setitimer(ITIMER_REAL, &t, 0);
  CALL(open_fifo());
  VAL(caught);
  waitpid(c, 0, 0);
}
CASE(ignored_signal_does_not_interrupt) {
  NEED(pipe(p));
  signal(SIGALRM, SIG_IGN);
  struct itimerval t = {{0, 0}, {0, 30000}};
  pid_t c = fork();
  if (c == 0) { sleep_ms(100); write_p(); _exit(0); }
  setitimer(ITIMER_REAL, &t, 0);
  CALL(read_pipe());
  waitpid(c, 0, 0);
}
CASE(stop_and_continue_restarts) {
  // SIGCONT without a handler: these calls go on (Linux: epoll_wait, semop and others would be EINTR on old kernels only).
  int s;
  NEED(pipe(p)), NEED(pipe(q));
  pid_t c = fork();
  if (c == 0) {
    long r = read(p[0], &byte, 1);
    say("read after stop: %ld", r);
    struct pollfd f = {q[0], POLLIN};
    r = poll(&f, 1, 3000);
    say("poll after stop: %ld", r);
    _exit(0);
  }
  for (int i = 0; i < 2; i++) {
    sleep_ms(40);
    kill(c, SIGSTOP);
    waitpid(c, &s, WUNTRACED);
    kill(c, SIGCONT);
    sleep_ms(20);
    write(i == 0 ? p[1] : q[1], "x", 1);
  }
  report_end("child", c);
}
