// SPDX-License-Identifier: Apache-2.0
#include "case.h"

struct entry { unsigned long ino; long off; unsigned short len; unsigned char type; char name[]; };

static void list_sorted(const char *path) {
  struct dirent **names;
  int n = scandir(path, &names, NULL, alphasort);
  say("%s has %d", path, n);
  for (int i = 0; i < n; i++) say("  %s type %d", names[i]->d_name, names[i]->d_type);
}

CASE(mkdir_basic) {
  struct stat st;
  CALL(mkdir("d", 0777));
  NEED(stat("d", &st));
  OCT(st.st_mode);
  VAL(st.st_nlink);
  CALL(mkdir("d", 0777));
  CALL(mkdir("d/", 0777));
  CALL(mkdir("e/", 0777));
  CALL(mkdir("d/a/b", 0777));
  CALL(mkdir("", 0777));
  CALL(mkdir(".", 0777));
  CALL(mkdir("..", 0777));
  CALL(mkdir("/", 0777));
  CALL(mkdir("d/.", 0777));
  CALL(mkdir(NULL, 0777));
  make_file("f", "x", 0600);
  CALL(mkdir("f", 0777));
  CALL(mkdir("f/x", 0777));
  NEED(symlink("none", "dangling"));
  CALL(mkdir("dangling", 0777));
  CALL(mkdirat(999, "x", 0777));
  int d = NEED(open("d", O_RDONLY));
  CALL(mkdirat(d, "sub", 07777));
  NEED(stat("d/sub", &st));
  OCT(st.st_mode);
  NEED(stat("d", &st));
  VAL(st.st_nlink);
}
CASE(rmdir_basic) {
  NEED(mkdir("d", 0755));
  NEED(mkdir("d/e", 0755));
  make_file("f", "x", 0600);
  NEED(symlink("d", "l"));
  CALL(rmdir("d"));
  CALL(rmdir("d/e/."));
  CALL(rmdir("d/e/.."));
  CALL(rmdir("d/e/"));
  CALL(rmdir("f"));
  CALL(rmdir("f/"));
  CALL(rmdir("l"));
  CALL(rmdir("l/"));
  CALL(rmdir("none"));
  CALL(rmdir(""));
  CALL(rmdir("/"));
  CALL(rmdir("."));
  CALL(unlink("d"));
  CALL(unlink("d/"));
  CALL(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
  CALL(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
  CALL(unlinkat(AT_FDCWD, "f", 0x40));
  CALL(unlinkat(999, "f", 0));
}
CASE(getdents_all) {
  NEED(mkdir("d", 0755));
  NEED(mkdir("d/sub", 0755));
  make_file("d/file", "x", 0600);
  NEED(symlink("x", "d/link"));
  NEED(mkfifo("d/fifo", 0600));
  list_sorted("d");
  NEED(unlink("d/file"));
  list_sorted("d");
}
CASE(getdents_many) {
  char name[32];
  NEED(mkdir("d", 0755));
  for (int i = 0; i < 300; i++) {
    sprintf(name, "d/file-number-%d", i);
    make_file(name, "", 0600);
  }
  int fd = NEED(open("d", O_RDONLY)), count = 0, calls = 0;
  char buffer[1024];
  long n, sum = 0;
  while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
    calls++;
    for (long at = 0; at < n;) {
      struct entry *e = (void *)(buffer + at);
      count++;
      if (e->name[0] == 'f') sum += atoi(e->name + 12);
      if (e->len % 8) say("record not aligned");
      at += e->len;
    }
  }
  VAL(n);
  VAL(count);
  VAL(sum);
  YES(calls > 5);
  CALL(lseek(fd, 0, SEEK_SET));
  YES(syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 0);
}
CASE(getdents_errors) {
  char b[512];
  make_file("f", "x", 0600);
  int d = NEED(open(".", O_RDONLY)), f = NEED(open("f", O_RDONLY));
  CALL(syscall(SYS_getdents64, f, b, sizeof b));
  CALL(syscall(SYS_getdents64, 999, b, sizeof b));
  CALL(syscall(SYS_getdents64, d, b, 1));
  CALL(syscall(SYS_getdents64, d, BAD_POINTER, 512));
  NEED(mkdir("gone", 0755));
  int g = NEED(open("gone", O_RDONLY));
  NEED(rmdir("gone"));
  CALL(syscall(SYS_getdents64, g, b, sizeof b));
  int p = NEED(open(".", O_PATH));
  CALL(syscall(SYS_getdents64, p, b, sizeof b));
}
CASE(getdents_while_unlinking) {
  char name[32];
  NEED(mkdir("d", 0755));
  for (int i = 0; i < 100; i++) sprintf(name, "d/%d", i), make_file(name, "", 0600);
  DIR *d = opendir("d");
  struct dirent *e;
  int removed = 0;
  while ((e = readdir(d)))
    if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) == 0) removed++;
  VAL(removed);
  CALL(rmdir("d"));
}
CASE(telldir_seekdir) {
  char name[32];
  NEED(mkdir("d", 0755));
  for (int i = 0; i < 20; i++) sprintf(name, "d/%d", i), make_file(name, "", 0600);
  DIR *d = opendir("d");
  for (int i = 0; i < 7; i++) readdir(d);
  long at = telldir(d);
  char eighth[256];
  strcpy(eighth, readdir(d)->d_name);
  readdir(d), readdir(d);
  seekdir(d, at);
  YES(strcmp(readdir(d)->d_name, eighth) == 0);
  rewinddir(d);
  int n = 0;
  while (readdir(d)) n++;
  VAL(n);
}
CASE(chdir_getcwd) {
  char b[4096], base[4096];
  NEED(mkdir("d", 0755));
  NEED(symlink("d", "l"));
  make_file("f", "x", 0600);
  getcwd(base, sizeof base);
  CALL(chdir("l"));
  getcwd(b, sizeof b);
  STR(b + strlen(base));
  CALL(chdir(".."));
  CALL(chdir("none"));
  CALL(chdir("f"));
  CALL(chdir(""));
  CALL(chdir(NULL));
  int fd = NEED(open("d", O_RDONLY)), f = NEED(open("f", O_RDONLY));
  CALL(fchdir(fd));
  CALL(fchdir(f));
  CALL(fchdir(999));
  CALL(fchdir(NEED(open("..", O_PATH))));
  CALL(syscall(SYS_getcwd, b, 2));
  CALL(syscall(SYS_getcwd, b, 0));
  CALL(syscall(SYS_getcwd, BAD_POINTER, 4096));
  YES(syscall(SYS_getcwd, b, 4096) == strlen(base) + 1);
  NEED(chdir("d"));
  NEED(rmdir("../d"));
  CALL(syscall(SYS_getcwd, b, 4096));
  CALL(open("x", O_CREAT | O_RDWR, 0600));
  CALL(open(".", O_RDONLY) >= 0);
  CALL(mkdir("y", 0700));
  NEED(chdir("/"));
  CALL(syscall(SYS_getcwd, b, 4096));
}
CASE(chdir_permission) {
  NEED(mkdir("closed", 0600));
  become(1234);
  CALL(chdir("closed"));
  CALL(chdir("closed/none"));
}
CASE(sticky_directory) {
  NEED(mkdir("t", 0777));
  NEED(chmod("t", 01777));
  make_file("t/f", "x", 0666);
  NEED(mkdir("t/d", 0777));
  become(1234);
  CALL(unlink("t/f"));
  CALL(rename("t/f", "t/g"));
  CALL(rmdir("t/d"));
  make_file("t/mine", "x", 0600);
  CALL(rename("t/mine", "t/f"));
  CALL(rename("t/mine", "t/mine2"));
  CALL(unlink("t/mine2"));
}
CASE(deep_directories) {
  int depth = 0;
  for (; depth < 60; depth++) {
    if (mkdir("a-directory-with-a-name-that-is-rather-long-so-that-the-path-gets-past-4096-bytes", 0755) != 0) break;
    if (chdir("a-directory-with-a-name-that-is-rather-long-so-that-the-path-gets-past-4096-bytes") != 0) break;
  }
  VAL(depth);
  char b[8192];
  CALL(syscall(SYS_getcwd, b, 4096));
  make_file("bottom", "x", 0600);
  CALL(access("bottom", F_OK));
  unlink("bottom");
  for (int i = 0; i < depth; i++) {
    if (chdir("..") != 0) break;
    rmdir("a-directory-with-a-name-that-is-rather-long-so-that-the-path-gets-past-4096-bytes");
  }
  list_sorted(".");
}
