// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/mount.h>
#include <mqueue.h>

static char name[40];
static mqd_t fresh(long messages, long size) {
  struct mq_attr a = {0, messages, size, 0};
  snprintf(name, sizeof name, "/conformance-%d", getpid());
  mq_unlink(name);
  return mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
}
CASE(mq_priorities) {
  mqd_t q = OK(fresh(3, 16));
  char b[64];
  unsigned priority;
  CALL(mq_send(q, "low", 3, 1));
  CALL(mq_send(q, "high", 4, 9));
  CALL(mq_send(q, "low2", 4, 1));
  CALL(mq_send(q, "12345678901234567", 17, 1));
  CALL(mq_send(q, "x", 1, 40000));
  struct mq_attr a;
  CALL(mq_getattr(q, &a));
  VAL(a.mq_curmsgs);
  VAL(a.mq_maxmsg);
  for (int i = 0; i < 3; i++) {
    memset(b, 0, sizeof b);
    CALL(mq_receive(q, b, sizeof b, &priority));
    STR(b);
    VAL(priority);
  }
  CALL(mq_receive(q, b, 3, &priority));
  mq_unlink(name);
}
CASE(mq_nonblock_timeout) {
  mqd_t q = OK(fresh(1, 8));
  char b[8];
  struct timespec past = {1, 0}, bad = {1, -1};
  CALL(mq_timedreceive(q, b, 8, NULL, &past));
  CALL(mq_timedreceive(q, b, 8, NULL, &bad));
  struct mq_attr a = {O_NONBLOCK, 0, 0, 0};
  CALL(mq_setattr(q, &a, NULL));
  CALL(mq_receive(q, b, 8, NULL));
  CALL(mq_send(q, "a", 1, 0));
  CALL(mq_send(q, "b", 1, 0));
  struct pollfd p = {q, POLLIN | POLLOUT, 0};
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  mq_unlink(name);
}
CASE(mq_errors) {
  struct mq_attr zero = {0, 0, 8, 0}, fine = {0, 1, 8, 0};
  CALL(mq_open("/conformance-none", O_RDWR));
  CALL(mq_open("/a/b", O_RDWR | O_CREAT, 0600, &fine));
  CALL(mq_open("/conformance-z", O_RDWR | O_CREAT, 0600, &zero));
  CALL(mq_unlink("/conformance-none"));
  CALL(mq_send(0, "", 0, 0));
  OK(fresh(1, 8));
  CALL(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &fine));
  CALL(mq_unlink(name));
}
static volatile int seen, value;
static void on_notify(int signo, siginfo_t *info, void *context) { seen = info->si_code; value = info->si_value.sival_int; }
CASE(mq_notify_once) {
  mqd_t q = OK(fresh(4, 8));
  struct sigaction sa = {.sa_sigaction = on_notify, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, NULL);
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
  CALL(mq_notify(q, &e));
  CALL(mq_notify(q, &e));
  CALL(mq_send(q, "a", 1, 0));
  YES(seen == SI_MESGQ);
  VAL(value);
  seen = 0;
  CALL(mq_send(q, "b", 1, 0));
  VAL(seen);
  mq_unlink(name);
}
CASE(mq_between_processes) {
  mqd_t q = OK(fresh(1, 8));
  char b[8] = {0};
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 3; i++) mq_send(q, i == 0 ? "one" : i == 1 ? "two" : "six", 4, i);
    _exit(0);
  }
  for (int i = 0; i < 3; i++) {
    CALL(mq_receive(q, b, 8, NULL));
    STR(b);
  }
  waitpid(child, NULL, 0);
  mq_unlink(name);
}

static int told[2];
static void told_by_thread(union sigval value) { write(told[1], value.sival_ptr, 3); }

// SIGEV_THREAD: the C library hears through a netlink socket that a message came, or that the notification went.
CASE(notify_thread) {
  NEED(pipe(told));
  struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8};
  mqd_t q = NEED(mq_open("/notify_thread_case", O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
  mq_unlink("/notify_thread_case");
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = "abc"};
  event.sigev_notify_function = told_by_thread;
  char text[8] = "";
  CALL(mq_notify(q, &event));
  CALL(mq_notify(q, &event));
  CALL(mq_send(q, "x", 1, 0));
  NEED(read(told[0], text, 3));
  STR(text);
  CALL(mq_notify(q, &event));
  CALL(mq_notify(q, NULL));
  CALL(mq_notify(q, &event));
  CALL(mq_close(q));
  struct { void *value; int signo, notify; char rest[48]; } raw = {"", -1, SIGEV_THREAD, ""};
  q = NEED(mq_open("/notify_thread_case", O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
  mq_unlink("/notify_thread_case");
  static char cookie[32];
  raw.value = cookie;
  CALL(syscall(SYS_mq_notify, q, &raw));
  raw.signo = told[0];
  CALL(syscall(SYS_mq_notify, q, &raw));
  raw.value = BAD_POINTER;
  CALL(syscall(SYS_mq_notify, q, &raw));
}

// The queues of a namespace that everybody has left can be seen, and none can be made.
CASE(queues_of_a_dead_namespace) {
  NEED(mkdir("q", 0755));
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return;
  CHILD({
    NEED(unshare(CLONE_NEWIPC));
    NEED(mount("mqueue", "q", "mqueue", 0, NULL));
    OK(mq_open("/left", O_RDWR | O_CREAT, 0600, NULL));
  });
  CALL(access("q/left", F_OK));
  CALL(creat("q/new", 0600));
  CALL(unlink("q/left"));
  CALL(umount("q"));
}
