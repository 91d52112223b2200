// SPDX-License-Identifier: Apache-2.0
// Asks for more of everything than there is. `attack_counts NAME`: prints how far it came, and why it stopped.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long n) { printf("%s %ld %s\n", what, n, n < 0 ? strerror(errno) : ""); fflush(stdout); }
static void stopped(const char *what, long n) { printf("%s: %ld then %s\n", what, n, strerror(errno)); fflush(stdout); }

static void raise_files(void) {
  struct rlimit r;
  getrlimit(RLIMIT_NOFILE, &r);
  r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);
}

static void fork_bomb(void) {
  // Children wait in pause; the parent forks until it may not, then kills all.
  long n = 0;
  setpgid(0, 0);
  signal(SIGTERM, SIG_IGN);
  for (; n < 200000; n++) {
    pid_t pid = fork();
    if (pid < 0) break;
    if (pid == 0) { signal(SIGTERM, SIG_DFL); for (;;) pause(); }
  }
  stopped("fork", n);
  kill(0, SIGTERM);
  while (wait(NULL) > 0) {}
  say("reaped", n);
}

static void fork_tree(void) {
  // Everyone forks for two seconds.
  setpgid(0, 0);
  pid_t top = getpid();
  struct timespec end, now;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += 2;
  signal(SIGTERM, SIG_DFL);
  do {
    fork();
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
  if (getpid() != top) _exit(0);
  while (wait(NULL) > 0) {}
  say("tree", 0);
}

static void *sleeper(void *arg) { (void)arg; for (;;) pause(); return NULL; }
static void thread_bomb(void) {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 16384);
  long n = 0;
  int err = 0;
  for (; n < 100000; n++) {
    pthread_t t;
    if ((err = pthread_create(&t, &attr, sleeper, NULL)) != 0) break;
  }
  errno = err;
  stopped("threads", n);
}

static void fds(const char *kind) {
  raise_files();
  long n = 0;
  for (; n < 1100000; n++) {
    int fd = -1, p[2];
    if (!strcmp(kind, "eventfd")) fd = eventfd(0, 0);
    else if (!strcmp(kind, "epoll")) fd = epoll_create1(0);
    else if (!strcmp(kind, "timerfd")) {
      fd = timerfd_create(CLOCK_MONOTONIC, 0);
      struct itimerspec its = {{0, 1000000}, {0, 1000000}};
      if (fd >= 0) timerfd_settime(fd, 0, &its, NULL);
    } else if (!strcmp(kind, "pipe")) fd = pipe(p);
    else if (!strcmp(kind, "open")) fd = open("/etc/passwd", O_RDONLY);
    else if (!strcmp(kind, "socketpair")) fd = socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    else if (!strcmp(kind, "memfd")) { fd = memfd_create("x", 0); if (fd >= 0) (void)!write(fd, "x", 1); }
    else if (!strcmp(kind, "inotify")) fd = inotify_init1(0);
    else if (!strcmp(kind, "dup")) fd = dup(0);
    else if (!strcmp(kind, "tcp")) fd = socket(AF_INET, SOCK_STREAM, 0);
    else if (!strcmp(kind, "pty")) fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (fd < 0) break;
  }
  stopped(kind, n);
}

static void posix_timers(void) {
  long n = 0;
  for (; n < 1000000; n++) {
    timer_t t;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    signal(SIGRTMIN, SIG_IGN);
    if (timer_create(CLOCK_MONOTONIC, &ev, &t) != 0) break;
    struct itimerspec its = {{0, 1}, {0, 1}};
    timer_settime(t, 0, &its, NULL);
  }
  stopped("timers", n);
  usleep(500000);
}

static void memfd_growth(void) {
  int fd = memfd_create("big", 0);
  say("ftruncate 1<<40", ftruncate(fd, 1l << 40));
  say("pwrite at 1<<39", pwrite(fd, "x", 1, 1l << 39));
  say("ftruncate max", ftruncate(fd, INT64_MAX));
  say("fallocate 1<<40", fallocate(fd, 0, 0, 1l << 40));
  void *p = mmap(NULL, 1l << 40, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  say("mmap", p == MAP_FAILED ? -1 : 0);
  int t = open("/tmp/big", O_RDWR | O_CREAT, 0600);
  say("tmpfs ftruncate", ftruncate(t, 1l << 45));
  say("tmpfs pwrite", pwrite(t, "x", 1, (1l << 45) - 1));
  say("tmpfs fallocate", fallocate(t, 0, 0, 1l << 44));
  struct iovec big[1024];
  for (int i = 0; i < 1024; i++) big[i] = (struct iovec){(void *)big, 1l << 40};
  say("writev", writev(t, big, 1024));
  say("readv", readv(t, big, 1024));
  say("read huge", read(t, big, INT64_MAX));
}

static void deep_directories(void) {
  long n = 0;
  (void)!chdir("/tmp");
  for (; n < 100000; n++) {
    if (mkdir("d", 0700) != 0 || chdir("d") != 0) break;
  }
  stopped("deep", n);
  char *cwd = getcwd(NULL, 0);
  say("getcwd", cwd == NULL ? -1 : 0);
  int fd = open(".", O_RDONLY | O_DIRECTORY);
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  say("readlink", readlink(link, path, sizeof path) > 0 ? 0 : -1);
  say("rename into itself", rename("/tmp/d", "d"));
  for (long i = 0; i < n; i++) if (chdir("..") != 0) break;
  say("back", access("/tmp/d", F_OK));
  (void)!chdir("/");
}

static void many_files(long count) {
  mkdir("/dev/shm/many", 0700);
  long n = 0;
  for (; n < count; n++) {
    char name[64];
    snprintf(name, sizeof name, "/dev/shm/many/file-%ld", n);
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    if (fd < 0) break;
    (void)!write(fd, "x", 1);
    close(fd);
  }
  stopped("files", n);
}

static void many_xattrs(void) {
  int fd = open("/tmp/xa", O_CREAT | O_RDWR, 0600);
  static char value[65536];
  memset(value, 'v', sizeof value);
  long n = 0;
  for (; n < 100000; n++) {
    char name[64];
    snprintf(name, sizeof name, "user.a%ld", n);
    if (fsetxattr(fd, name, value, sizeof value, 0) != 0) break;
  }
  stopped("xattrs", n);
  say("huge value", setxattr("/tmp/xa", "user.big", value, 1l << 40, 0));
}

static void signal_flood(void) {
  signal(SIGUSR1, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  union sigval v = {.sival_int = 1};
  long n = 0;
  for (; n < 2000000; n++) if (sigqueue(getpid(), SIGRTMIN + 1, v) != 0) break;
  stopped("sigqueue", n);
  long m = 0;
  for (; m < 200000; m++) if (kill(getpid(), SIGUSR1) != 0) break;
  say("kill", m);
}

static void epoll_nesting(void) {
  int first = epoll_create1(0), last = first;
  struct epoll_event ev = {.events = EPOLLIN};
  long n = 0;
  for (; n < 100; n++) {
    int next = epoll_create1(0);
    if (epoll_ctl(next, EPOLL_CTL_ADD, last, &ev) != 0) break;
    last = next;
  }
  stopped("nest", n);
  say("cycle", epoll_ctl(first, EPOLL_CTL_ADD, last, &ev));
  say("self", epoll_ctl(first, EPOLL_CTL_ADD, first, &ev));
  // A fan of watchers of one eventfd.
  int e = eventfd(0, EFD_NONBLOCK);
  int tops[200];
  for (int i = 0; i < 200; i++) { tops[i] = epoll_create1(0); epoll_ctl(tops[i], EPOLL_CTL_ADD, e, &ev); }
  for (int i = 0; i < 200; i++) for (int j = 0; j < i; j++) epoll_ctl(tops[i], EPOLL_CTL_ADD, tops[j], &ev);
  uint64_t one = 1;
  (void)!write(e, &one, 8);
  say("wait", epoll_wait(tops[199], &ev, 1, 0) < 0 ? -1 : 0);
}

static int send_fd(int to, int fd) {
  char c[CMSG_SPACE(sizeof(int))] = {0}, b = 0;
  struct iovec io = {&b, 1};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  h->cmsg_level = SOL_SOCKET;
  h->cmsg_type = SCM_RIGHTS;
  h->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(h), &fd, sizeof fd);
  return sendmsg(to, &m, MSG_DONTWAIT) < 0 ? -1 : 0;
}
static void scm_cycles(void) {
  long n = 0;
  for (; n < 20000; n++) {
    int p[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) != 0) break;
    // Each end holds itself and the other.
    if (send_fd(p[0], p[1]) != 0 || send_fd(p[0], p[0]) != 0 || send_fd(p[1], p[0]) != 0) break;
    close(p[0]);
    close(p[1]);
  }
  stopped("scm", n);
  // A chain: each pair is in the next one's queue.
  int last = eventfd(0, 0);
  for (n = 0; n < 5000; n++) {
    int p[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) != 0) break;
    if (send_fd(p[0], last) != 0) break;
    close(last);
    close(p[0]);
    last = p[1];
  }
  stopped("chain", n);
  close(last);
}

static void socket_queues(void) {
  raise_files();
  static char block[65536];
  long n = 0, bytes = 0;
  for (; n < 2000; n++) {
    int p[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p) != 0) break;
    int big = 1 << 30;
    setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    for (;;) {
      ssize_t got = send(p[0], block, sizeof block, MSG_DONTWAIT);
      if (got <= 0) break;
      bytes += got;
    }
  }
  stopped("queues", n);
  printf("bounded %d\n", bytes < (2l << 30));
}

static void pipes_full(void) {
  raise_files();
  static char block[65536];
  long n = 0, bytes = 0;
  for (; n < 5000; n++) {
    int p[2];
    if (pipe2(p, O_NONBLOCK) != 0) break;
    fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
    for (;;) {
      ssize_t got = write(p[1], block, sizeof block);
      if (got <= 0) break;
      bytes += got;
    }
  }
  stopped("pipes", n);
  printf("MiB %ld\n", bytes >> 20);
}

static void many_maps(void) {
  long n = 0;
  for (; n < 300000; n++) {
    void *p = mmap(NULL, 4096, n & 1 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) break;
  }
  stopped("maps", n);
}


static void sysv(void) {
  long n = 0;
  for (; n < 100000; n++) if (semget(IPC_PRIVATE, 250, 0600) < 0) break;
  stopped("sems", n);
  for (n = 0; n < 100000; n++) if (shmget(IPC_PRIVATE, 1l << 30, 0600) < 0) break;
  stopped("shms", n);
  for (n = 0; n < 100000; n++) if (msgget(IPC_PRIVATE, 0600) < 0) break;
  stopped("msgs", n);
}

static void locks(void) {
  int fd = open("/tmp/locks", O_CREAT | O_RDWR, 0600);
  long n = 0;
  for (; n < 100000; n++) {
    struct flock l = {.l_type = n & 1 ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET, .l_start = n * 2, .l_len = 1};
    if (fcntl(fd, F_SETLK, &l) != 0) break;
  }
  stopped("locks", n);
}

static void watches(void) {
  int in = inotify_init1(IN_NONBLOCK);
  mkdir("/tmp/w", 0700);
  inotify_add_watch(in, "/tmp/w", IN_ALL_EVENTS);
  long n = 0;
  for (; n < 100000; n++) {
    int fd = open(n & 1 ? "/tmp/w/a" : "/tmp/w/b", O_CREAT | O_WRONLY, 0600);
    if (fd < 0) break;
    close(fd);
  }
  say("events", n);
}

static void exec_arguments(void) {
  static char big[131072 * 2];
  memset(big, 'a', sizeof big - 1);
  char *one[] = {"/bin/true", big, NULL};
  execv("/bin/true", one);
  say("long string", -1);
  char **many = calloc(4000001, sizeof *many);
  for (int i = 0; i < 4000000; i++) many[i] = "aaaaaaaaaaaaaaaa";
  execv("/bin/true", many);
  say("many strings", -1);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "fork")) fork_bomb();
  else if (!strcmp(what, "tree")) fork_tree();
  else if (!strcmp(what, "threads")) thread_bomb();
  else if (!strcmp(what, "timers")) posix_timers();
  else if (!strcmp(what, "memfds")) memfd_growth();
  else if (!strcmp(what, "deep")) deep_directories();
  else if (!strcmp(what, "files")) many_files(argc > 2 ? atol(argv[2]) : 1000000);
  else if (!strcmp(what, "xattrs")) many_xattrs();
  else if (!strcmp(what, "signals")) signal_flood();
  else if (!strcmp(what, "nesting")) epoll_nesting();
  else if (!strcmp(what, "scm")) scm_cycles();
  else if (!strcmp(what, "queues")) socket_queues();
  else if (!strcmp(what, "pipes")) pipes_full();
  else if (!strcmp(what, "maps")) many_maps();
  else if (!strcmp(what, "sysv")) sysv();
  else if (!strcmp(what, "locks")) locks();
  else if (!strcmp(what, "watches")) watches();
  else if (!strcmp(what, "exec")) exec_arguments();
  else fds(what);
  return 0;
}
