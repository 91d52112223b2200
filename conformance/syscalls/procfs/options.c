// SPDX-License-Identifier: Apache-2.0
// proc's mount options, /proc/pid/map_files, and what follows the reader's namespaces.
#include "case.h"
#include <sys/mount.h>

static void mount_proc(const char *options) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
  NEED(mkdir("p", 0755));
  say("mount %s: %s", options, mount("proc", "p", "proc", 0, options) == 0 ? "ok" : errno_name(errno));
}
static int listed(const char *name) {
  DIR *dir = opendir("p");
  int found = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != 0;) found |= strcmp(entry->d_name, name) == 0;
  closedir(dir);
  return found;
}

CASE(proc_subset_pid) {
  mount_proc("subset=pid");
  YES(listed("self"));
  YES(listed("stat"));
  YES(listed("thread-self"));
  OK(open("p/stat", O_RDONLY));
  OK(open("p/self/stat", O_RDONLY));
  OK(open("p/sys", O_RDONLY));
}
static void hidden(const char *options) {
  char name[16], path[40];
  snprintf(name, sizeof name, "%d", getpid());
  mount_proc(options);
  CHILD({
    become(1000);
    YES(listed(name));
    struct stat st;
    snprintf(path, sizeof path, "p/%s", name);
    CALL(stat(path, &st));
    snprintf(path, sizeof path, "p/%s/stat", name);
    OK(open(path, O_RDONLY));
    OK(open("p/self/stat", O_RDONLY));
  });
  YES(listed(name));
}
CASE(proc_hidepid_off) { hidden("hidepid=off"); }
CASE(proc_hidepid_noaccess) { hidden("hidepid=1"); }
CASE(proc_hidepid_invisible) { hidden("hidepid=invisible"); }
CASE(proc_hidepid_ptraceable) { hidden("hidepid=4"); }
CASE(proc_bad_options) {
  mount_proc("hidepid=3");
  CALL(mount("proc", "p", "proc", 0, "subset=all"));
  CALL(mount("proc", "p", "proc", 0, "what"));
}
CASE(proc_map_files) {
  char *path, text[PATH_MAX];
  make_file("f", "0123456789", 0644);
  int fd = NEED(open("f", O_RDONLY));
  char *at = mmap(0, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
  asprintf(&path, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + 8192);
  long n = readlink(path, text, sizeof text);
  YES(n > 2 && memcmp(text + n - 2, "/f", 2) == 0);
  struct stat st;
  NEED(lstat(path, &st));
  OCT(st.st_mode);
  char byte = 0;
  int again = OK(open(path, O_RDONLY));
  NEED(read(again, &byte, 1));
  VAL(byte);
  asprintf(&path, "/proc/self/map_files/0%lx-%lx", (long)at, (long)at + 8192);
  CALL(readlink(path, text, sizeof text));
  asprintf(&path, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + 4096);
  CALL(readlink(path, text, sizeof text));
  asprintf(&path, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + 8192);
  munmap(at, 8192);
  CALL(readlink(path, text, sizeof text));
}
CASE(proc_net_unix_of_namespace) {
  char text[4096];
  NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  NEED(unshare(CLONE_NEWNET));
  int fd = NEED(open("/proc/net/unix", O_RDONLY));
  long n = read(fd, text, sizeof text);
  BYTES(text, n);
}
CASE(clone3_set_tid_in_new_namespace) {
  struct { uint64_t flags, pidfd, child_tid, parent_tid, signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; } args = {0};
  int wanted[3] = {1, 30001, 7};
  args.flags = CLONE_NEWPID;
  args.signal = SIGCHLD;
  args.set_tid = (uint64_t)(uintptr_t)wanted;
  for (int size = 1; size <= 2; size++) {
    args.set_tid_size = size;
    long pid = syscall(435, &args, sizeof args);
    if (pid == 0) _exit(getpid());
    YES(size == 1 || pid == 30001);
    if (pid > 0) report_end("child", pid);
  }
  wanted[0] = 2;
  CALL(syscall(435, &args, sizeof args));
  wanted[0] = 0;
  CALL(syscall(435, &args, sizeof args));
}
#include <sys/file.h>
static void show_locks(int fd) {
  char path[40], line[200];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE *info = fopen(path, "r");
  int count = 0;
  while (fgets(line, sizeof line, info) != 0) {
    char kind[16], what[16], type[16], end[24], at[64];
    int number, pid;
    long start;
    if (sscanf(line, "lock:\t%d: %15s %15s %15s %d %63s %ld %23s", &number, kind, what, type, &pid, at, &start, end) != 8) continue;
    say("%d: %s %s %s %s %ld %s", number, kind, what, type, pid == getpid() ? "own" : pid == -1 ? "-1" : "?", start, end);
    count++;
  }
  fclose(info);
  VAL(count);
}
CASE(proc_fdinfo_locks) {
  make_file("f", "0123456789", 0644);
  int fd = NEED(open("f", O_RDWR)), other = NEED(open("f", O_RDWR));
  struct flock range = {.l_type = F_WRLCK, .l_start = 2, .l_len = 3};
  NEED(fcntl(fd, F_SETLK, &range));
  show_locks(fd);
  NEED(flock(other, LOCK_SH));
  range.l_type = F_RDLCK;
  range.l_start = 7;
  range.l_len = 0;
  range.l_type = F_UNLCK;
  range.l_start = 0;
  NEED(fcntl(fd, F_SETLK, &range));
  range.l_type = F_RDLCK;
  range.l_start = 7;
  NEED(fcntl(other, F_OFD_SETLK, &range));
  show_locks(fd);
  show_locks(other);
}
CASE(proc_limits_without_unit) {
  char line[200];
  FILE *limits = fopen("/proc/self/limits", "r");
  while (fgets(line, sizeof line, limits) != 0)
    if (strncmp(line, "Max nice", 8) == 0) VAL(strlen(line));
  fclose(limits);
}
