// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/mount.h>

static void own_namespace(void) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
}
CASE(chroot_basic) {
  char b[256];
  NEED(mkdir("root", 0755));
  NEED(mkdir("root/d", 0755));
  make_file("root/f", "inside", 0644);
  NEED(symlink("/f", "root/abs"));
  make_file("outside", "x", 0644);
  CALL(chroot("none"));
  CALL(chroot("outside"));
  CALL(chroot(NULL));
  CALL(chroot("root"));
  CALL(access("/f", F_OK));
  CALL(access("/outside", F_OK));
  CALL(access("/../f", F_OK));
  CALL(syscall(SYS_getcwd, b, sizeof b) > 0);
  YES(strncmp(b, "(unreachable)", 13) == 0);
  CALL(access("outside", F_OK));
  CALL(chdir("/"));
  CALL(syscall(SYS_getcwd, b, sizeof b));
  STR(b);
  CALL(access("abs", F_OK));
  CALL(chdir(".."));
  CALL(access("f", F_OK));
  CALL(access("/proc", F_OK));
  become(1234);
  CALL(chroot("/d"));
}
CASE(mount_tmpfs) {
  struct stat a, b;
  own_namespace();
  NEED(mkdir("m", 0755));
  make_file("m/below", "x", 0600);
  NEED(stat("m", &a));
  CALL(mount("none", "m", "tmpfs", 0, "mode=0700,size=1m"));
  NEED(stat("m", &b));
  YES(a.st_dev != b.st_dev);
  OCT(b.st_mode);
  CALL(access("m/below", F_OK));
  make_file("m/f", "x", 0600);
  CALL(rename("m/f", "g"));
  CALL(link("m/f", "g"));
  CALL(rmdir("m"));
  int fd = NEED(open("m/f", O_RDONLY));
  CALL(umount("m"));
  close(fd);
  CALL(umount("m"));
  CALL(access("m/below", F_OK));
  CALL(umount("m"));
  CALL(umount("none"));
}
CASE(mount_errors) {
  own_namespace();
  NEED(mkdir("m", 0755));
  make_file("f", "x", 0600);
  CALL(mount("none", "none", "tmpfs", 0, NULL));
  CALL(mount("none", "m", "nosuchfs", 0, NULL));
  CALL(mount("none", "f", "tmpfs", 0, NULL));
  CALL(mount("none", "m", NULL, 0, NULL));
  CALL(mount("none", NULL, "tmpfs", 0, NULL));
  CALL(mount("none", "m", "tmpfs", 0, "nonsense=1"));
  CALL(umount2("m", 0x100));
  CALL(mount("f", "m", NULL, MS_BIND, NULL));
  CALL(mount("none", "m", NULL, MS_BIND, NULL));
  CALL(mount("none", "m", NULL, MS_REMOUNT, NULL));
  become(1234);
  CALL(mount("none", "m", "tmpfs", 0, NULL));
  CALL(umount("m"));
}
CASE(mount_size_limit) {
  own_namespace();
  NEED(mkdir("m", 0755));
  NEED(mount("none", "m", "tmpfs", 0, "size=64k"));
  int fd = NEED(open("m/f", O_CREAT | O_RDWR, 0600));
  char b[4096] = {0};
  int n = 0;
  while (write(fd, b, 4096) == 4096 && n < 100) n++;
  VAL(n);
  CALL(write(fd, b, 4096));
  CALL(ftruncate(fd, 0));
  CALL(write(fd, b, 4096));
}
CASE(mount_bind) {
  own_namespace();
  NEED(mkdir("a", 0755));
  NEED(mkdir("b", 0755));
  make_file("a/f", "x", 0600);
  make_file("file", "y", 0600);
  make_file("target", "z", 0600);
  CALL(mount("a", "b", NULL, MS_BIND, NULL));
  CALL(access("b/f", F_OK));
  make_file("b/g", "x", 0600);
  CALL(access("a/g", F_OK));
  CALL(rename("a/f", "b/f2"));
  CALL(mount("none", "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  CALL(open("b/new", O_CREAT | O_RDWR, 0600));
  CALL(open("b/f", O_RDWR));
  CALL(unlink("b/f"));
  CALL(mkdir("b/d", 0700));
  CALL(chmod("b/f", 0600));
  CALL(truncate("b/f", 0));
  CALL(access("b/f", W_OK));
  OK(open("a/new", O_CREAT | O_RDWR, 0600));
  CALL(mount("file", "target", NULL, MS_BIND, NULL));
  struct stat st, sf;
  NEED(stat("target", &st)), NEED(stat("file", &sf));
  YES(st.st_ino == sf.st_ino);
  CALL(unlink("target"));
  CALL(umount("target"));
  CALL(umount("b"));
  CALL(access("b/f", F_OK));
}
CASE(mount_move_and_stack) {
  own_namespace();
  NEED(mkdir("a", 0755)), NEED(mkdir("b", 0755));
  NEED(mount("none", "a", "tmpfs", 0, NULL));
  make_file("a/one", "1", 0600);
  CALL(mount("a", "b", NULL, MS_MOVE, NULL));
  CALL(access("b/one", F_OK));
  CALL(access("a/one", F_OK));
  NEED(mount("none", "b", "tmpfs", 0, NULL));
  CALL(access("b/one", F_OK));
  make_file("b/two", "2", 0600);
  CALL(umount("b"));
  CALL(access("b/one", F_OK));
  CALL(umount2("b", MNT_DETACH));
  CALL(access("b/one", F_OK));
}
CASE(mount_busy) {
  own_namespace();
  NEED(mkdir("a", 0755));
  NEED(mount("none", "a", "tmpfs", 0, NULL));
  int fd = NEED(open("a/f", O_CREAT | O_RDWR, 0600));
  CALL(umount("a"));
  CALL(umount2("a", MNT_DETACH));
  CALL(write(fd, "x", 1));
  CALL(access("a/f", F_OK));
  NEED(mount("none", "a", "tmpfs", 0, NULL));
  NEED(chdir("a"));
  CALL(umount("../a"));
  NEED(chdir(".."));
  CALL(umount("a"));
}
CASE(mount_noexec_nodev_rdonly) {
  own_namespace();
  NEED(mkdir("a", 0755));
  NEED(mount("none", "a", "tmpfs", MS_NOEXEC | MS_NODEV, NULL));
  make_file("a/s", "#!/bin/sh\nexit 3\n", 0755);
  CHILD(CALL(execl("a/s", "s", NULL)));
  CALL(access("a/s", X_OK));
  NEED(umount("a"));
  NEED(mount("none", "a", "tmpfs", MS_RDONLY, NULL));
  CALL(open("a/x", O_CREAT | O_RDWR, 0600));
  CALL(mkdir("a/x", 0700));
  CALL(mount("none", "a", NULL, MS_REMOUNT, NULL));
  OK(open("a/x", O_CREAT | O_RDWR, 0600));
}
CASE(mount_proc) {
  own_namespace();
  NEED(mkdir("p", 0755));
  CALL(mount("none", "p", "proc", 0, NULL));
  char b[64], mine[64];
  sprintf(mine, "%d", getpid());
  ssize_t n = readlink("p/self", b, 63);
  b[n < 0 ? 0 : n] = 0;
  YES(strcmp(b, mine) == 0);
  CALL(umount("p"));
}
CASE(mount_namespace_is_private) {
  NEED(mkdir("m", 0755));
  CHILD(own_namespace(); NEED(mount("none", "m", "tmpfs", 0, NULL)); make_file("m/f", "x", 0600); CALL(access("m/f", F_OK)));
  CALL(access("m/f", F_OK));
}

// /proc/self/mounts can be polled for changes of the namespace; each is told once.
CASE(poll_mounts) {
  own_namespace();
  NEED(mkdir("m", 0700));
  int fd = NEED(open("/proc/self/mounts", O_RDONLY));
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLPRI};
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  NEED(mount("none", "m", "tmpfs", 0, 0));
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  NEED(umount("m"));
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  close(fd);
}
