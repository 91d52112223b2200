// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/xattr.h>

CASE(xattr_errors) {
  char b[64];
  make_file("f", "x", 0644);
  CALL(getxattr("none", "user.a", b, 64));
  CALL(getxattr("f", "user.a", b, 64));
  CALL(getxattr("f", "", b, 64));
  CALL(getxattr("f", "nodomain", b, 64));
  CALL(getxattr("f", "weird.domain", b, 64));
  CALL(setxattr("f", "weird.domain", "x", 1, 0));
  CALL(setxattr("f", "user.", "x", 1, 0));
  CALL(setxattr("f", "user.a", "x", 1, 8));
  CALL(setxattr("f", "user.a", "x", 1, XATTR_REPLACE));
  CALL(setxattr("f", "user.a", "x", 1 << 20, 0));
  CALL(setxattr("f", "user.a", BAD_POINTER, 1, 0));
  CALL(setxattr("f", NULL, "x", 1, 0));
  CALL(removexattr("f", "user.a"));
  CALL(removexattr("none", "user.a"));
  CALL(fgetxattr(999, "user.a", b, 64));
  CALL(fsetxattr(999, "user.a", b, 1, 0));
  CALL(fremovexattr(999, "user.a"));
  CALL(flistxattr(999, b, 64));
  CALL(listxattr("none", b, 64));
  CALL(fgetxattr(NEED(open("f", O_PATH)), "user.a", b, 64));
  char name[300];
  memset(name, 'a', sizeof name);
  memcpy(name, "user.", 5);
  name[256] = 0;
  CALL(getxattr("f", name, b, 64));
}
CASE(xattr_user) {
  char b[64] = {0};
  make_file("f", "x", 0644);
  CALL(setxattr("f", "user.a", "hello", 5, 0));
  CALL(setxattr("f", "user.a", "x", 1, XATTR_CREATE));
  CALL(getxattr("f", "user.a", b, 64));
  BYTES(b, 5);
  CALL(getxattr("f", "user.a", b, 2));
  CALL(getxattr("f", "user.a", NULL, 0));
  CALL(setxattr("f", "user.a", "bye", 3, XATTR_REPLACE));
  CALL(getxattr("f", "user.a", b, 64));
  CALL(setxattr("f", "user.empty", "", 0, 0));
  CALL(getxattr("f", "user.empty", b, 64));
  CALL(listxattr("f", NULL, 0));
  CALL(listxattr("f", b, 3));
  CALL(removexattr("f", "user.empty"));
  CALL(listxattr("f", b, 64));
  BYTES(b, 7);
  int fd = NEED(open("f", O_RDWR));
  CALL(fsetxattr(fd, "user.b", "1", 1, 0));
  CALL(fgetxattr(fd, "user.b", b, 64));
  CALL(fremovexattr(fd, "user.b"));
  CALL(fremovexattr(fd, "user.b"));
  CALL(flistxattr(fd, NULL, 0));
}
CASE(xattr_user_kinds) {
  char b[64];
  NEED(symlink("f", "l"));
  NEED(mkdir("d", 0755));
  NEED(mkfifo("p", 0600));
  CALL(lsetxattr("l", "user.a", "x", 1, 0));
  CALL(lgetxattr("l", "user.a", b, 64));
  CALL(setxattr("p", "user.a", "x", 1, 0));
  CALL(getxattr("p", "user.a", b, 64));
  CALL(setxattr("d", "user.a", "x", 1, 0));
  CALL(getxattr("d", "user.a", b, 64));
}
CASE(xattr_permission) {
  char b[64];
  make_file("f", "x", 0600);
  make_file("r", "x", 0644);
  NEED(setxattr("f", "user.a", "v", 1, 0));
  NEED(setxattr("r", "user.a", "v", 1, 0));
  become(1234);
  CALL(getxattr("f", "user.a", b, 64));
  CALL(setxattr("f", "user.a", "v", 1, 0));
  CALL(getxattr("r", "user.a", b, 64));
  CALL(setxattr("r", "user.a", "v", 1, 0));
  CALL(removexattr("r", "user.a"));
  CALL(setxattr("r", "trusted.a", "v", 1, 0));
  CALL(getxattr("r", "trusted.a", b, 64));
}
