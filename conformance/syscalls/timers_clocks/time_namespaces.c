// SPDX-License-Identifier: Apache-2.0
// Time namespaces: offsets, who is inside, and every way to see or wait for a shifted clock. See time_namespaces(7).
#include "case.h"
#include <linux/futex.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static long put(const char *text) {
  int fd = open("/proc/self/timens_offsets", O_WRONLY);
  long n = write(fd, text, strlen(text));
  int e = errno;
  close(fd);
  errno = e;
  return n;
}

static void show_offsets(void) {
  char text[256] = "";
  int fd = open("/proc/self/timens_offsets", O_RDONLY);
  NEED(read(fd, text, 255));
  close(fd);
  STR(text);
}

// Days of a clock, by the C library (its vdso) and by the system call.
static void days(const char *name, clockid_t id, long base) {
  struct timespec a, b;
  clock_gettime(id, &a);
  syscall(SYS_clock_gettime, id, &b);
  say("%s: %ld %ld days on, %s", name, (a.tv_sec - base + 43200) / 86400, (b.tv_sec - base + 43200) / 86400, labs(a.tv_sec - b.tv_sec) < 2 ? "agree" : "differ");
}

static long base_monotonic, base_boottime;
static void bases(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  base_monotonic = now.tv_sec;
  clock_gettime(CLOCK_BOOTTIME, &now);
  base_boottime = now.tv_sec;
}

static void show_clocks(void) {
  days("monotonic", CLOCK_MONOTONIC, base_monotonic);
  days("coarse", CLOCK_MONOTONIC_COARSE, base_monotonic);
  days("raw", CLOCK_MONOTONIC_RAW, base_monotonic);
  days("boottime", CLOCK_BOOTTIME, base_boottime);
  days("realtime", CLOCK_REALTIME, time(0));
}

static void show_namespaces(void) {
  char own[64] = "", children[64] = "", parent[64] = "", path[64];
  readlink("/proc/self/ns/time", own, 63);
  readlink("/proc/self/ns/time_for_children", children, 63);
  snprintf(path, sizeof path, "/proc/%d/ns/time", getppid());
  readlink(path, parent, 63);
  say("own %s children's, %s parent's", strcmp(own, children) ? "is not" : "is", strcmp(own, parent) ? "is not" : "is");
}

CASE(timens_offsets_errors) {
  show_offsets();
  CALL(put("monotonic 1 0\n"));
  CALL(unshare(CLONE_NEWTIME));
  show_offsets();
  CALL(put("monotonic\n"));
  CALL(put("monotonic 1\n"));
  CALL(put("realtime 1 0\n"));
  CALL(put("monotonic 1 1000000000\n"));
  CALL(put("monotonic 1 -1\n"));
  CALL(put("monotonic 1 0\nboottime 2 0\n1 3 0\n"));
  CALL(put("monotonic 9223372036 0\n"));
  CALL(put("monotonic -9223372036 0\n"));
  CALL(put("monotonic 1 5\n7 -1 500000000\n"));
  show_offsets();
  CALL(put("1 86400 0"));
  show_offsets();
  CHILD(show_offsets(); CALL(put("monotonic 7 0\n")));
  wait(0);
  CALL(put("monotonic 7 0\n"));
}

CASE(timens_without_privilege) {
  become(65534);
  CALL(unshare(CLONE_NEWTIME));
  CALL(unshare(CLONE_NEWUSER | CLONE_NEWTIME));
  CALL(put("monotonic 86400 0\n"));
  bases();
  CHILD(days("monotonic", CLOCK_MONOTONIC, base_monotonic));
}

CASE(timens_clocks) {
  bases();
  NEED(unshare(CLONE_NEWTIME));
  NEED(put("monotonic 864000 0\nboottime 1728000 0\n"));
  show_clocks();
  show_namespaces();
  CHILD(show_clocks(); show_namespaces(); CHILD(show_clocks()));
  pid_t pid = vfork();
  if (pid == 0) _exit(0);
  waitpid(pid, 0, 0);
}

HELPER(timens_after_exec) {
  (void)argc, (void)envp;
  base_monotonic = atol(argv[1]);
  base_boottime = atol(argv[2]);
  show_clocks();
  return 0;
}

CASE(timens_exec) {
  bases();
  NEED(unshare(CLONE_NEWTIME));
  NEED(put("monotonic 864000 0\nboottime 1728000 0\n"));
  char a[32], b[32];
  sprintf(a, "%ld", base_monotonic);
  sprintf(b, "%ld", base_boottime);
  execl("/proc/self/exe", "driver", "--helper", "timens_after_exec", a, b, (char *)0);
}

static int sharing(void *unused) {
  (void)unused;
  days("CLONE_VM child", CLOCK_MONOTONIC, base_monotonic);
  return 0;
}

CASE(timens_clone) {
  bases();
  struct { unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; } args = {CLONE_NEWTIME, 0, 0, 0, SIGCHLD, 0, 0, 0};
  pid_t pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    show_namespaces();
    CALL(put("monotonic 1 0\n"));
    _exit(0);
  }
  waitpid(pid, 0, 0);
  NEED(unshare(CLONE_NEWTIME));
  NEED(put("monotonic 864000 0\n"));
  static char stack[65536] __attribute__((aligned(16)));
  pid = clone(sharing, stack + sizeof stack, CLONE_VM | SIGCHLD, 0);
  waitpid(pid, 0, 0);
}

CASE(timens_setns) {
  bases();
  int home = open("/proc/self/ns/time", O_RDONLY);
  NEED(unshare(CLONE_NEWTIME));
  NEED(put("monotonic 864000 0\nboottime 1728000 0\n"));
  int fd = open("/proc/self/ns/time_for_children", O_RDONLY);
  CALL(ioctl(fd, 0xb703, 0));
  CALL(setns(fd, CLONE_NEWNET));
  CALL(setns(fd, CLONE_NEWTIME));
  show_clocks();
  show_namespaces();
  CALL(put("monotonic 1 0\n"));
  CALL(setns(home, 0));
  show_clocks();
}

static long passed_ms(const struct timespec *from) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

static struct timespec soon(clockid_t id) {
  struct timespec at;
  clock_gettime(id, &at);
  at.tv_nsec += 20000000;
  if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
  return at;
}

static volatile int expired;
static void on_timer(int signo) { (void)signo; expired++; }

static void waits(void) {
  const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
  struct timespec begun;
  for (int i = 0; i < 2; i++) {
    clock_gettime(CLOCK_MONOTONIC, &begun);
    struct timespec at = soon(clocks[i]);
    CALL(clock_nanosleep(clocks[i], TIMER_ABSTIME, &at, 0));
    YES(passed_ms(&begun) >= 20 && passed_ms(&begun) < 10000);
    int fd = timerfd_create(clocks[i], 0);
    struct itimerspec spec = {{0, 0}, soon(clocks[i])};
    CALL(timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, 0));
    unsigned long ticks;
    CALL(read(fd, &ticks, 8));
    VAL(ticks);
    timer_t timer;
    timer_create(clocks[i], 0, &timer);
    spec.it_value = soon(clocks[i]);
    timer_settime(timer, TIMER_ABSTIME, &spec, 0);
    while (expired <= i) usleep(1000);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    struct timespec rel = {0, 20000000};
    CALL(clock_nanosleep(clocks[i], 0, &rel, 0));
    YES(passed_ms(&begun) >= 20 && passed_ms(&begun) < 10000);
  }
  int word = 0;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  struct timespec at = soon(CLOCK_MONOTONIC);
  CALL(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &at, 0, -1));
  YES(passed_ms(&begun) >= 20 && passed_ms(&begun) < 10000);
}

CASE(timens_waits) {
  signal(SIGALRM, on_timer);
  NEED(unshare(CLONE_NEWTIME));
  NEED(put("monotonic 864000 500000000\nboottime 1728000 999999999\n"));
  CHILD(waits());
}

CASE(timens_backwards) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  signal(SIGALRM, on_timer);
  char text[128];
  sprintf(text, "monotonic -%ld 0\nboottime -%ld 0\n", now.tv_sec - 1, now.tv_sec - 1);
  NEED(unshare(CLONE_NEWTIME));
  CALL(put(text) > 0);
  CHILD(clock_gettime(CLOCK_MONOTONIC, &now); YES(now.tv_sec < 60); waits());
}

static void read_line(const char *path, const char *start, double *value) {
  char line[512];
  FILE *f = fopen(path, "r");
  while (fgets(line, sizeof line, f))
    if (strncmp(line, start, strlen(start)) == 0) break;
  *value = atof(line + strlen(start));
  fclose(f);
}

static void show_system(double up, double btime) {
  double now;
  struct sysinfo info;
  read_line("/proc/uptime", "", &now);
  say("uptime: %ld days on", (long)(now - up) / 86400);
  sysinfo(&info);
  say("sysinfo: %ld days on", (long)(info.uptime - up) / 86400);
  read_line("/proc/stat", "btime ", &now);
  say("btime: %ld days back", (long)(btime - now + 1000) / 86400);
  char stat[1024] = "";
  int fd = open("/proc/self/stat", O_RDONLY);
  NEED(read(fd, stat, 1023));
  char *at = strrchr(stat, ')') + 2;
  for (int i = 0; i < 19; i++) at = strchr(at, ' ') + 1;
  say("start: %ld days on", (long)(atol(at) / sysconf(_SC_CLK_TCK) - (long)up) / 86400);
}

CASE(timens_system) {
  double up, btime;
  read_line("/proc/uptime", "", &up);
  read_line("/proc/stat", "btime ", &btime);
  NEED(unshare(CLONE_NEWTIME));
  NEED(put("monotonic 864000 0\nboottime 1728000 0\n"));
  CHILD(show_system(up, btime));
}
