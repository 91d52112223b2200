// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/mount.h>
#include <sys/ioctl.h>

static void show(const char *path) {
  char buf[2048];
  int fd = open(path, O_RDONLY);
  long n = fd < 0 ? -1 : read(fd, buf, sizeof buf);
  if (n < 0) say("%s: %s", path, errno_name(errno));
  else report_bytes(path, buf, n);
  if (fd >= 0) close(fd);
}
static long put(const char *path, const char *text) {
  int fd = NEED(open(path, O_WRONLY));
  long n = write(fd, text, strlen(text));
  int e = errno;
  close(fd);
  errno = e;
  return n;
}
static long counter(const char *path, const char *name) {
  char buf[512] = "";
  int fd = NEED(open(path, O_RDONLY));
  NEED(read(fd, buf, sizeof buf - 1));
  close(fd);
  char *at = strstr(buf, name);
  return at ? atol(at + strlen(name)) : -1;
}
static void *reads(void *a) {
  char b[100];
  int fd = open("/dev/zero", O_RDONLY);
  for (int i = 0; i < 10; i++) read(fd, b, 100);
  return a;
}
CASE(proc_io_counts) {
  char b[100];
  int fd = NEED(open("/dev/zero", O_RDWR)), p[2];
  NEED(pipe(p));
  long r = counter("/proc/self/io", "rchar: "), w = counter("/proc/self/io", "wchar: "), sr = counter("/proc/self/io", "syscr: "), sw = counter("/proc/self/io", "syscw: ");
  for (int i = 0; i < 7; i++) read(fd, b, 100), write(fd, b, 50);
  read(-1, b, 5);
  pread(fd, b, 10, 0);
  write(p[1], b, 20), read(p[0], b, 20);
  struct iovec v[2] = {{b, 5}, {b, 6}};
  readv(fd, v, 2), writev(fd, v, 2);
  pthread_t t;
  pthread_create(&t, 0, reads, 0);
  pthread_join(t, 0);
  // Reading the counters reads too.
  long r2 = counter("/proc/self/io", "rchar: ");
  YES(r2 - r >= 700 + 10 + 20 + 11 + 1000 && r2 - r < 3000);
  VAL(counter("/proc/self/io", "wchar: ") - w);
  VAL(counter("/proc/self/io", "syscw: ") - sw);
  YES(counter("/proc/self/io", "syscr: ") - sr >= 7 + 1 + 1 + 1 + 10);
}
CASE(proc_coredump_filter) {
  show("/proc/self/coredump_filter");
  CALL(put("/proc/self/coredump_filter", "0x7f"));
  show("/proc/self/coredump_filter");
  CALL(put("/proc/self/coredump_filter", "3\n"));
  show("/proc/self/coredump_filter");
  CALL(put("/proc/self/coredump_filter", "x"));
  CALL(put("/proc/self/coredump_filter", "-1"));
  CALL(put("/proc/self/coredump_filter", "010"));
  CALL(put("/proc/self/coredump_filter", "0xffffffff"));
  show("/proc/self/coredump_filter");
  CHILD(show("/proc/self/coredump_filter"));
}
CASE(proc_timers) {
  show("/proc/self/timers");
  timer_t id;
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_ptr = (void *)0x1234};
  NEED(timer_create(CLOCK_MONOTONIC, &e, &id));
  e.sigev_notify = SIGEV_NONE;
  NEED(timer_create(CLOCK_REALTIME, &e, &id));
  char buf[1024] = "";
  int fd = NEED(open("/proc/self/timers", O_RDONLY));
  NEED(read(fd, buf, sizeof buf - 1));
  for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
    char *pid = strstr(line, "pid.");
    if (pid) YES(atoi(pid + 4) == getpid()), *pid = 0;
    say("%s", line);
  }
}
CASE(proc_pagemap) {
  long page = 4096;
  char *p = mmap(0, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  p[page] = 1;
  uint64_t w[4];
  int fd = NEED(open("/proc/self/pagemap", O_RDONLY));
  CALL(pread(fd, w, sizeof w, (uintptr_t)p / page * 8));
  for (int i = 0; i < 4; i++) say("%d present %d swap %d file %d", i, (int)(w[i] >> 63), (int)(w[i] >> 62 & 1), (int)(w[i] >> 61 & 1));
  munmap(p + page, page);
  CALL(pread(fd, w, 8, ((uintptr_t)p / page + 1) * 8));
  say("unmapped %d", (int)(w[0] >> 63));
  CALL(pread(fd, w, 8, 4));
  CALL(pread(fd, w, 7, 8));
  CALL(pread(fd, w, 0, 8));
  CALL(lseek(fd, 16, SEEK_SET));
  CALL(read(fd, w, 16));
  CALL(lseek(fd, 0, SEEK_CUR));
}
CASE(proc_clear_refs) {
  CALL(put("/proc/self/clear_refs", "1"));
  CALL(put("/proc/self/clear_refs", "4"));
  CALL(put("/proc/self/clear_refs", "0"));
  CALL(put("/proc/self/clear_refs", "9"));
  CALL(put("/proc/self/clear_refs", "x"));
}
static void show_locks(int fd) {
  struct stat st;
  fstat(fd, &st);
  char line[256], end[64];
  FILE *f = fopen("/proc/locks", "r");
  sprintf(end, ":%lu ", (unsigned long)st.st_ino);
  while (fgets(line, sizeof line, f)) {
    char kind[16], how[16], type[16], range[64];
    int pid;
    if (!strstr(line, end) || sscanf(line, "%*d: %s %s %s %d", kind, how, type, &pid) != 4 || pid != getpid()) continue;
    strcpy(range, strstr(line, end) + strlen(end));
    say("%s %s %s %s", kind, how, type, strtok(range, "\n"));
  }
  fclose(f);
}
CASE(proc_locks_text) {
  int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
  struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
  NEED(fcntl(fd, F_SETLK, &l));
  show_locks(fd);
  l.l_type = F_UNLCK;
  NEED(fcntl(fd, F_SETLK, &l));
  l.l_type = F_RDLCK, l.l_start = 100, l.l_len = 0;
  NEED(fcntl(fd, F_SETLK, &l));
  show_locks(fd);
}

struct map_query {
  uint64_t size, query_flags, query_addr, vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
  uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
  uint64_t vma_name_addr, build_id_addr;
};
#define MAP_QUERY _IOWR('f', 17, struct map_query)
// PROCMAP_QUERY: one mapping, asked for by an address.
CASE(maps_query) {
  make_file("f", "12345", 0644);
  int file = NEED(open("f", O_RDWR)), fd = NEED(open("/proc/self/maps", O_RDONLY));
  NEED(ftruncate(file, 3 * 4096));
  // A page, a hole, a page of the file, and a name for the end.
  char *at = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(munmap(at, 4 * 4096));
  NEED(mmap(at, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at ? 0 : -1);
  NEED(mmap(at + 2 * 4096, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 4096) != MAP_FAILED ? 0 : -1);
  char name[4200], id[64];
  struct map_query q;
  struct stat st;
  NEED(fstat(file, &st));
#define ASK(...) ({ q = (struct map_query){.size = sizeof q, __VA_ARGS__}; long r_ = CALL(ioctl(fd, MAP_QUERY, &q)); \
  if (r_ == 0) say("  +%ld..+%ld flags %ld page %ld offset %ld inode %s dev %s name %u id %u", (long)(q.vma_start - (long)at) / 4096, (long)(q.vma_end - (long)at) / 4096, \
  (long)q.vma_flags, (long)q.vma_page_size, (long)q.vma_offset, q.inode == st.st_ino ? "file" : q.inode ? "other" : "none", q.dev_major || q.dev_minor ? "some" : "none", q.vma_name_size ? 1 : 0, q.build_id_size); })
  uint64_t a = (uintptr_t)at;
  ASK(.query_addr = a + 2 * 4096 + 5);
  ASK(.query_addr = a + 4096);
  ASK(.query_addr = a + 4096, .query_flags = 16);
  ASK(.query_addr = a, .query_flags = 2);
  ASK(.query_addr = a, .query_flags = 2 | 16);
  ASK(.query_addr = a, .query_flags = 32);
  ASK(.query_addr = a, .query_flags = 32 | 16);
  ASK(.query_addr = a, .query_flags = 64);
  ASK(.query_addr = ~0ul, .query_flags = 16);
  ASK(.query_addr = a, .vma_name_size = 5);
  ASK(.query_addr = a + 2 * 4096, .vma_name_size = 3, .vma_name_addr = (uintptr_t)name);
  ASK(.query_addr = a + 2 * 4096, .vma_name_size = sizeof name, .vma_name_addr = (uintptr_t)name);
  say("%s", strrchr(name, '/'));
  YES(strlen(name) + 1 == q.vma_name_size);
  ASK(.query_addr = a + 2 * 4096, .vma_name_size = sizeof name, .vma_name_addr = 0x10);
  q = (struct map_query){.size = sizeof q, .query_addr = (uintptr_t)&q, .vma_name_size = sizeof name, .vma_name_addr = (uintptr_t)name, .build_id_size = sizeof id, .build_id_addr = (uintptr_t)id};
  CALL(ioctl(fd, MAP_QUERY, &q));
  VAL(q.build_id_size), say("%s", name);
  // What is smaller or larger than the structure.
  struct { struct map_query q; uint64_t more; } big = {{.size = sizeof big, .query_addr = a}, 0};
  CALL(ioctl(fd, MAP_QUERY, &big));
  big.more = 1, CALL(ioctl(fd, MAP_QUERY, &big));
  q = (struct map_query){.size = 16, .query_addr = a}, CALL(ioctl(fd, MAP_QUERY, &q));
  q = (struct map_query){.size = 24, .query_addr = a}, CALL(ioctl(fd, MAP_QUERY, &q)), YES(q.vma_start == 0);
  q = (struct map_query){.size = 5000, .query_addr = a}, CALL(ioctl(fd, MAP_QUERY, &q));
  CALL(ioctl(fd, MAP_QUERY, BAD_POINTER));
  // The code of a library: 20 bytes of build id.
  q = (struct map_query){.size = sizeof q, .query_addr = (uintptr_t)&strtoul, .query_flags = 4 | 32, .build_id_size = 4, .build_id_addr = (uintptr_t)id};
  CALL(ioctl(fd, MAP_QUERY, &q));
  q.build_id_size = sizeof id, CALL(ioctl(fd, MAP_QUERY, &q));
  VAL(q.build_id_size);
  CHILD(struct map_query c = {.size = sizeof c, .query_addr = a}; CALL(ioctl(fd, MAP_QUERY, &c)));
}
// The number of the next process can be chosen, by who may.
CASE(ns_last_pid_is_set) {
  NEED(unshare(CLONE_NEWPID | CLONE_NEWNS));
  pid_t init = NEED(fork());
  if (init == 0) {
    NEED(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)), NEED(mount("proc", "/proc", "proc", 0, NULL));
    const char *path = "/proc/sys/kernel/ns_last_pid";
    struct stat st;
    NEED(stat(path, &st)), OCT(st.st_mode);
    CALL(put(path, "100"));
    show(path);
    pid_t c = fork();
    if (c == 0) _exit(0);
    VAL(c);
    report_end("child", c);
    show(path);
    CALL(put(path, "-1"));
    CALL(put(path, "x"));
    CALL(put(path, "99999999"));
    become(1000);
    CALL(put(path, "200"));
    _exit(0);
  }
  report_end("init", init);
}
// What real-time scheduling may be set to; everything here leaves it as it usually is.
CASE(realtime_settings_refuse) {
  CALL(put("/proc/sys/kernel/sched_rt_period_us", "0"));
  CALL(put("/proc/sys/kernel/sched_rt_period_us", "-1"));
  CALL(put("/proc/sys/kernel/sched_rt_runtime_us", "-2"));
  CALL(put("/proc/sys/kernel/sched_rt_runtime_us", "2000000000"));
  CALL(put("/proc/sys/kernel/sched_rr_timeslice_ms", "-1"));
  show("/proc/sys/kernel/sched_rr_timeslice_ms");
}
