// SPDX-License-Identifier: Apache-2.0
// What keeps a mount from becoming read-only, flags a less privileged namespace cannot change, and propagation groups handed over.
#include "case.h"
#include <sys/mount.h>

#define ATTR_RDONLY 1
#define EMPTY_BOTH 0x44
#define SET_GROUP 0x100

struct attributes { uint64_t set, clear, propagation, userns; };

static int set_readonly(const char *path, int flags) {
  struct attributes change = {.set = ATTR_RDONLY};
  return syscall(442, AT_FDCWD, path, flags, &change, sizeof change);
}
static void own_mounts(void) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
  NEED(mkdir("a", 0755));
  NEED(mount("one", "a", "tmpfs", 0, 0));
}

CASE(mount_readonly_with_writers) {
  own_mounts();
  NEED(mkdir("a/b", 0755));
  NEED(mount("two", "a/b", "tmpfs", 0, 0));
  int fd = OK(open("a/b/f", O_RDWR | O_CREAT, 0644));
  CALL(mount(0, "a/b", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
  CALL(mount(0, "a/b", 0, MS_REMOUNT | MS_RDONLY, 0));
  CALL(set_readonly("a", AT_RECURSIVE));
  OK(open("a/g", O_WRONLY | O_CREAT, 0644));
  close(fd);
  fd = OK(open("a/b/f", O_RDONLY));
  CALL(mount(0, "a/b", 0, MS_REMOUNT | MS_RDONLY, 0));
  OK(open("a/b/f", O_WRONLY));
  CALL(mount(0, "a/b", 0, MS_REMOUNT, 0));
  OK(open("a/b/f", O_WRONLY));
}
CASE(mount_locked_atime) {
  own_mounts();
  NEED(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOATIME, 0));
  NEED(unshare(CLONE_NEWUSER | CLONE_NEWNS));
  CALL(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOATIME, 0));
  CALL(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_STRICTATIME, 0));
  CALL(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_RELATIME, 0));
  CALL(mount(0, "a", 0, MS_REMOUNT | MS_NOATIME, 0));
  CALL(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOATIME | MS_NODEV, 0));
}
CASE(mount_set_group) {
  own_mounts();
  NEED(mkdir("c", 0755));
  NEED(mount("a", "c", 0, MS_BIND, 0));
  CALL(syscall(429, AT_FDCWD, "a", AT_FDCWD, "c", SET_GROUP));
  NEED(mount(0, "a", 0, MS_SHARED, 0));
  CALL(syscall(429, AT_FDCWD, "a", AT_FDCWD, "c", SET_GROUP));
  CALL(syscall(429, AT_FDCWD, "a", AT_FDCWD, "c", SET_GROUP));
  NEED(mkdir("a/d", 0755));
  CALL(syscall(429, AT_FDCWD, "a/d", AT_FDCWD, "c", SET_GROUP));
  NEED(mount("three", "a/d", "tmpfs", 0, 0));
  OK(open("a/d/f", O_WRONLY | O_CREAT, 0644));
  CALL(access("c/d/f", F_OK));
}
CASE(mount_namespace_held_by_descriptor) {
  own_mounts();
  int pipes[2];
  NEED(pipe(pipes));
  int child = fork();
  if (child == 0) {
    NEED(unshare(CLONE_NEWNS));
    NEED(mount("inner", "a", "tmpfs", 0, 0));
    NEED(mkdir("a/inner", 0755));
    NEED(write(pipes[1], "x", 1));
    pause();
    _exit(0);
  }
  char byte, path[64], here[PATH_MAX];
  NEED(read(pipes[0], &byte, 1));
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", child);
  int held = OK(open(path, O_RDONLY));
  kill(child, SIGKILL);
  report_end("child", child);
  getcwd(here, sizeof here);
  CALL(access("a/inner", F_OK));
  CALL(setns(held, CLONE_NEWNS));
  CALL(chdir(here));
  CALL(access("a/inner", F_OK));
}
