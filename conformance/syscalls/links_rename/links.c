// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/sysmacros.h>

static int renameat2_(const char *a, const char *b, unsigned flags) { return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags); }
static void show(const char *path) {
  char b[64] = {0};
  int fd = open(path, O_RDONLY);
  if (fd < 0) { say("%s: %s", path, errno_name(errno)); return; }
  ssize_t n = read(fd, b, 63);
  if (n < 0) say("%s: %s", path, errno_name(errno));
  else report_bytes(path, b, n);
  close(fd);
}

CASE(link_basic) {
  struct stat st;
  make_file("f", "x", 0600);
  NEED(mkdir("d", 0755));
  NEED(symlink("f", "l"));
  CALL(link("f", "g"));
  NEED(stat("g", &st));
  VAL(st.st_nlink);
  CALL(link("f", "g"));
  CALL(link("none", "h"));
  CALL(link("d", "h"));
  CALL(link("f", "none/h"));
  CALL(link("f", "f/h"));
  CALL(link("f", ""));
  CALL(link("", "h"));
  CALL(link("f", "h/"));
  CALL(link("f", "/proc/h"));
  CALL(linkat(AT_FDCWD, "l", AT_FDCWD, "ll", 0));
  NEED(lstat("ll", &st));
  OCT(st.st_mode & S_IFMT);
  CALL(linkat(AT_FDCWD, "l", AT_FDCWD, "lf", AT_SYMLINK_FOLLOW));
  NEED(lstat("lf", &st));
  OCT(st.st_mode & S_IFMT);
  CALL(linkat(AT_FDCWD, "f", AT_FDCWD, "x", 0x8000));
  CALL(linkat(999, "f", AT_FDCWD, "x", 0));
  CALL(link(NULL, "x"));
  int fd = NEED(open("f", O_PATH));
  CALL(linkat(fd, "", AT_FDCWD, "empty", AT_EMPTY_PATH));
}
CASE(unlink_basic) {
  char b[8] = {0};
  struct stat st;
  make_file("f", "abc", 0600);
  int fd = NEED(open("f", O_RDWR));
  CALL(unlink("f"));
  CALL(unlink("f"));
  CALL(read(fd, b, 8));
  CALL(write(fd, "d", 1));
  NEED(fstat(fd, &st));
  VAL(st.st_nlink);
  VAL(st.st_size);
  make_file("g", "x", 0600);
  CALL(unlink("g/"));
  CALL(unlink("g/x"));
  CALL(unlink(""));
  CALL(unlink(NULL));
  CALL(unlink("."));
  CALL(unlink("/"));
  NEED(symlink("g", "l"));
  CALL(unlink("l"));
  CALL(access("g", F_OK));
}
CASE(symlink_readlink) {
  char b[64], longer[5000];
  CALL(symlink("target", "l"));
  CALL(readlink("l", b, 64));
  BYTES(b, 6);
  CALL(readlink("l", b, 3));
  BYTES(b, 3);
  CALL(readlink("l", b, 0));
  CALL(readlink("l", b, -1));
  CALL(readlink("none", b, 64));
  CALL(readlink(".", b, 64));
  CALL(readlink("l/", b, 64));
  CALL(readlink("l", BAD_POINTER, 64));
  CALL(symlink("target", "l"));
  CALL(symlink("", "e"));
  CALL(symlink("x", ""));
  CALL(symlink("x", "none/l"));
  CALL(symlink("x", "n/"));
  memset(longer, 'a', sizeof longer);
  longer[4095] = 0;
  CALL(symlink(longer, "long"));
  longer[4095] = 'a', longer[4096] = 0;
  CALL(symlink(longer, "longer"));
  CALL(symlinkat("x", 999, "y"));
  int fd = NEED(open("l", O_PATH | O_NOFOLLOW));
  CALL(readlinkat(fd, "", b, 64));
  CALL(readlinkat(AT_FDCWD, "", b, 64));
  CALL(readlinkat(999, "l", b, 64));
}
CASE(symlink_chains) {
  char from[16], to[16];
  make_file("s0", "end", 0600);
  for (int i = 1; i <= 45; i++) {
    sprintf(from, "s%d", i), sprintf(to, "s%d", i - 1);
    NEED(symlink(to, from));
  }
  OK(open("s39", O_RDONLY));
  OK(open("s41", O_RDONLY));
  OK(open("s45", O_RDONLY));
  NEED(mkdir("d", 0755));
  NEED(symlink("d", "sd"));
  NEED(symlink("../s1", "d/back"));
  show("sd/back");
  NEED(symlink("/proc/self", "ps"));
  OK(open("ps/status", O_RDONLY));
  NEED(symlink("d/../d/../d/./back", "winding"));
  show("winding");
}
CASE(rename_files) {
  make_file("a", "A", 0600);
  make_file("b", "B", 0600);
  CALL(rename("a", "c"));
  show("c");
  show("a");
  CALL(rename("c", "b"));
  show("b");
  CALL(rename("none", "x"));
  CALL(rename("b", "none/x"));
  CALL(rename("b", "b"));
  CALL(rename("b", ""));
  CALL(rename("", "b"));
  CALL(rename("b", "x/"));
  CALL(rename("b/", "x"));
  CALL(rename("b", "."));
  CALL(rename(".", "x"));
  CALL(rename("..", "x"));
  CALL(rename(NULL, "x"));
  NEED(link("b", "hard"));
  CALL(rename("b", "hard"));
  show("b");
  NEED(symlink("b", "l"));
  CALL(rename("l", "m"));
  CALL(rename("b", "m"));
  show("m");
  CALL(renameat(999, "m", AT_FDCWD, "x"));
  CALL(rename("m", "/proc/x"));
}
CASE(rename_directories) {
  NEED(mkdir("d", 0755));
  NEED(mkdir("d/e", 0755));
  NEED(mkdir("empty", 0755));
  make_file("f", "F", 0600);
  make_file("d/e/f", "deep", 0600);
  CALL(rename("d", "d/e/x"));
  CALL(rename("d", "d/x"));
  CALL(rename("d/e", "d"));
  CALL(rename("d", "f"));
  CALL(rename("f", "d"));
  CALL(rename("empty", "d"));
  CALL(rename("d", "empty"));
  show("empty/e/f");
  CALL(rename("empty", "moved/"));
  show("moved/e/f");
  CALL(rename("moved/", "again"));
  CALL(rename("again/e", "e"));
  show("e/f");
  struct stat st;
  NEED(stat("again", &st));
  VAL(st.st_nlink);
  CALL(rename("f", "again/e/"));
}
CASE(rename_flags) {
  make_file("a", "A", 0600);
  make_file("b", "B", 0600);
  NEED(mkdir("d", 0755));
  make_file("d/x", "X", 0600);
  CALL(renameat2_("a", "b", 1));
  CALL(renameat2_("a", "c", 1));
  show("c");
  CALL(renameat2_("c", "b", 2));
  show("c");
  show("b");
  CALL(renameat2_("c", "none", 2));
  CALL(renameat2_("c", "d", 2));
  show("c/x");
  show("d");
  CALL(renameat2_("c", "d", 3));
  CALL(renameat2_("c", "d", 8));
  CALL(renameat2_("c", "c/y", 2));
}
CASE(rename_keeps_open_files) {
  char b[8] = {0};
  make_file("a", "A", 0600);
  make_file("b", "B", 0600);
  int a = NEED(open("a", O_RDWR)), old = NEED(open("b", O_RDONLY));
  NEED(rename("a", "b"));
  CALL(read(old, b, 8));
  BYTES(b, 1);
  CALL(pwrite(a, "new", 3, 0));
  show("b");
  NEED(mkdir("d", 0755));
  int d = NEED(open("d", O_RDONLY));
  NEED(rename("d", "e"));
  OK(openat(d, "inside", O_CREAT | O_RDWR, 0600));
  CALL(access("e/inside", F_OK));
}
CASE(rename_permission) {
  NEED(mkdir("d", 0755));
  make_file("d/f", "x", 0666);
  NEED(mkdir("open", 0777));
  NEED(chmod("open", 0777));
  make_file("open/f", "x", 0600);
  NEED(mkdir("open/root", 0755));
  become(1234);
  CALL(rename("d/f", "d/g"));
  CALL(rename("d/f", "open/g"));
  CALL(rename("open/f", "open/g"));
  CALL(rename("open/g", "d/g"));
  CALL(rename("open/root", "open/root2"));
  NEED(mkdir("open/sub", 0777));
  CALL(rename("open/root2", "open/sub/root"));
}
CASE(mknod_kinds) {
  struct stat st;
  CALL(mknod("f", S_IFREG | 0644, 0));
  CALL(mknod("g", 0600, 0));
  CALL(mknod("p", S_IFIFO | 0644, 0));
  CALL(mknod("s", S_IFSOCK | 0644, 0));
  CALL(mknod("f", S_IFREG | 0644, 0));
  CALL(mknod("d", S_IFDIR | 0755, 0));
  CALL(mknod("l", S_IFLNK | 0755, 0));
  CALL(mknod("none/x", S_IFREG | 0644, 0));
  CALL(mknod("x/", S_IFREG | 0644, 0));
  NEED(stat("s", &st));
  OCT(st.st_mode);
  NEED(stat("g", &st));
  OCT(st.st_mode);
  CALL(open("s", O_RDONLY));
  CALL(mknodat(999, "x", S_IFREG, 0));
  become(1234);
  CALL(mknod("x", S_IFREG | 0644, 0));
}
CASE(permission_walk) {
  NEED(mkdir("a", 0755));
  NEED(mkdir("a/b", 0700));
  make_file("a/b/f", "x", 0666);
  NEED(symlink("b/f", "a/l"));
  become(1234);
  CALL(access("a/b/f", F_OK));
  CALL(access("a/l", F_OK));
  CALL(access("a/b/../b", F_OK));
  char b[64];
  CALL(readlink("a/l", b, 64));
  CALL(link("a/b/f", "x"));
}
