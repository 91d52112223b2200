// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/openat2.h>

static int openat2(int dfd, const char *p, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {flags, mode, resolve};
  return syscall(SYS_openat2, dfd, p, &how, sizeof how);
}

CASE(open_missing) {
  CALL(open("none", O_RDONLY));
  CALL(open("none/", O_RDONLY));
  CALL(open("none/none", O_RDONLY));
  CALL(open("", O_RDONLY));
  CALL(open("none/", O_RDONLY | O_CREAT, 0600));
  CALL(open("none/x", O_RDONLY | O_CREAT, 0600));
}
CASE(open_create_mode) {
  struct stat st;
  umask(027);
  CALL(open("a", O_CREAT | O_RDWR, 0777));
  NEED(stat("a", &st));
  OCT(st.st_mode);
  VAL(st.st_size);
  VAL(st.st_uid);
  CALL(open("a", O_CREAT | O_EXCL | O_RDWR, 0777));
  CALL(open("b", O_CREAT | O_RDONLY, 0444));
  CALL(open("b", O_WRONLY));
  CALL(open("c", O_CREAT | O_WRONLY, 06777));
  NEED(stat("c", &st));
  OCT(st.st_mode);
  CALL(open(".", O_CREAT | O_RDWR, 0777));
  CALL(open(".", O_CREAT, 0777));
  CALL(open(".", O_CREAT | O_EXCL, 0777));
  CALL(open("d/", O_CREAT, 0777));
}
CASE(open_directory) {
  NEED(mkdir("d", 0755));
  make_file("f", "x", 0644);
  OK(open("d", O_RDONLY));
  CALL(open("d", O_WRONLY));
  CALL(open("d", O_RDWR));
  CALL(open("d", O_RDONLY | O_TRUNC));
  OK(open("d", O_RDONLY | O_DIRECTORY));
  CALL(open("f", O_RDONLY | O_DIRECTORY));
  CALL(open("f/", O_RDONLY));
  CALL(open("f/x", O_RDONLY));
  CALL(open("f/..", O_RDONLY));
  OK(open("d/", O_RDONLY));
  OK(open("d/.", O_RDONLY));
  OK(open("d/../d/./../f", O_RDONLY));
  OK(open("//", O_RDONLY));
  OK(open("/..", O_RDONLY));
}
CASE(open_symlink) {
  make_file("f", "x", 0644);
  NEED(symlink("f", "l"));
  NEED(symlink("none", "dangling"));
  NEED(symlink("loop", "loop"));
  OK(open("l", O_RDONLY));
  CALL(open("l", O_RDONLY | O_NOFOLLOW));
  CALL(open("dangling", O_RDONLY));
  CALL(open("dangling", O_RDONLY | O_NOFOLLOW));
  CALL(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600));
  CALL(open("loop", O_RDONLY));
  CALL(open("loop/x", O_RDONLY));
  OK(open("dangling", O_CREAT | O_RDWR, 0600));
  OK(open("none", O_RDONLY));
  CALL(open("l/", O_RDONLY));
  CALL(open("l/x", O_RDONLY));
  OK(open("l", O_PATH | O_NOFOLLOW));
}
CASE(open_trunc) {
  struct stat st;
  make_file("f", "hello", 0644);
  OK(open("f", O_WRONLY | O_TRUNC));
  NEED(stat("f", &st));
  VAL(st.st_size);
}
CASE(open_long_names) {
  char name[5000];
  memset(name, 'a', sizeof name);
  name[255] = 0;
  OK(open(name, O_CREAT | O_RDWR, 0600));
  name[255] = 'a', name[256] = 0;
  CALL(open(name, O_CREAT | O_RDWR, 0600));
  for (int i = 0; i < 4200; i++) name[i] = i % 2 ? '/' : '.';
  name[4095] = 0;
  CALL(open(name, O_RDONLY) >= 0);
  name[4095] = '/', name[4096] = 0;
  CALL(open(name, O_RDONLY));
}
CASE(open_bad_pointer) {
  CALL(open(NULL, O_RDONLY));
  CALL(open(BAD_POINTER, O_RDONLY));
  CALL(open(KERNEL_POINTER, O_RDONLY));
  CALL(open((char *)-1, O_CREAT, 0));
  char *end = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(munmap(end + 4096, 4096));
  strcpy(end + 4096 - 4, "abc");
  CALL(open(end + 4096 - 4, O_RDONLY));
  end[4095] = 'd';
  CALL(open(end + 4096 - 4, O_RDONLY));
}
CASE(openat_dirfd) {
  NEED(mkdir("d", 0755));
  make_file("d/f", "x", 0644);
  make_file("g", "x", 0644);
  int d = NEED(open("d", O_RDONLY)), f = NEED(open("g", O_RDONLY));
  OK(openat(d, "f", O_RDONLY));
  OK(openat(d, "../g", O_RDONLY));
  CALL(openat(d, "g", O_RDONLY));
  CALL(openat(f, "x", O_RDONLY));
  CALL(openat(f, "", O_RDONLY));
  CALL(openat(999, "x", O_RDONLY));
  CALL(openat(-1, "x", O_RDONLY));
  OK(openat(999, "/", O_RDONLY));
  OK(openat(AT_FDCWD, "g", O_RDONLY));
  int p = OK(open("d", O_PATH));
  OK(openat(p, "f", O_RDONLY));
}
CASE(open_path_fd) {
  char b[4];
  make_file("f", "x", 0);
  int p = OK(open("f", O_PATH));
  CALL(read(p, b, 1));
  CALL(write(p, b, 1));
  CALL(lseek(p, 0, SEEK_SET));
  CALL(fchmod(p, 0600));
  CALL(fchown(p, 0, 0));
  CALL(ftruncate(p, 0));
  CALL(ioctl(p, 0));
  CALL(mmap(0, 4096, PROT_READ, MAP_PRIVATE, p, 0) == MAP_FAILED);
  struct stat st;
  CALL(fstat(p, &st));
  OK(dup(p));
  VAL(fcntl(p, F_GETFL) == (O_PATH | 0));
  CALL(fcntl(p, F_GETFD));
  CALL(fcntl(p, F_SETFL, O_NONBLOCK));
  CALL(fsync(p));
  CALL(close(p));
  OK(open("f", O_PATH | O_WRONLY | O_TRUNC));
  CALL(open("f", O_PATH | O_DIRECTORY));
}
CASE(open_getfl) {
  int fd = NEED(open("f", O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC | O_EXCL | O_NONBLOCK, 0600));
  OCT(fcntl(fd, F_GETFL) & ~O_LARGEFILE & ~0100000);
  VAL(fcntl(fd, F_GETFD));
  CALL(fcntl(fd, F_SETFL, O_RDONLY));
  OCT(fcntl(fd, F_GETFL) & ~0100000);
  CALL(fcntl(fd, F_SETFL, O_APPEND | O_CREAT | O_WRONLY));
  OCT(fcntl(fd, F_GETFL) & ~0100000);
  CALL(fcntl(fd, F_SETFD, 0));
  VAL(fcntl(fd, F_GETFD));
  CALL(fcntl(fd, F_SETFD, 7));
  VAL(fcntl(fd, F_GETFD));
}
CASE(open_lowest_fd) {
  int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY), c = open("/dev/null", O_RDONLY);
  VAL(b - a);
  VAL(c - a);
  close(b);
  VAL(open("/dev/null", O_RDONLY) - a);
  VAL(dup(c) - a);
  close(a);
  VAL(dup(c) - a);
  VAL(fcntl(c, F_DUPFD, 100));
  VAL(fcntl(c, F_DUPFD, 100));
  VAL(fcntl(c, F_DUPFD_CLOEXEC, 100));
  VAL(fcntl(102, F_GETFD));
  CALL(fcntl(c, F_DUPFD, -1));
  CALL(fcntl(c, F_DUPFD, 1 << 30));
}
CASE(dup_family) {
  int a = NEED(open("/dev/null", O_RDONLY | O_CLOEXEC));
  CALL(dup2(a, 50));
  VAL(fcntl(50, F_GETFD));
  CALL(dup2(a, a) - a);
  VAL(fcntl(a, F_GETFD));
  CALL(dup2(999, 50));
  CALL(dup2(999, 999));
  CALL(dup2(a, -1));
  CALL(dup2(a, 1 << 30));
  CALL(dup3(a, a, 0));
  CALL(dup3(a, 51, O_CLOEXEC));
  VAL(fcntl(51, F_GETFD));
  CALL(dup3(a, 52, O_NONBLOCK));
  CALL(dup(999));
  CALL(dup(-1));
  CALL(close(50));
  CALL(close(50));
  CALL(close(-1));
}
CASE(dup_shares_offset) {
  char b[8] = {0};
  make_file("f", "abcdef", 0644);
  int a = NEED(open("f", O_RDONLY)), d = NEED(dup(a)), o = NEED(open("f", O_RDONLY));
  CALL(read(a, b, 2));
  CALL(lseek(d, 0, SEEK_CUR));
  CALL(lseek(o, 0, SEEK_CUR));
  CALL(fcntl(a, F_SETFL, O_NONBLOCK));
  OCT(fcntl(d, F_GETFL) & ~0100000);
}
CASE(openat2_checks) {
  make_file("f", "x", 0644);
  NEED(symlink("f", "l"));
  NEED(mkdir("d", 0755));
  NEED(symlink("../f", "d/up"));
  NEED(symlink("/", "d/abs"));
  int d = NEED(open("d", O_PATH));
  OK(openat2(AT_FDCWD, "f", O_RDONLY, 0, 0));
  CALL(openat2(AT_FDCWD, "f", O_RDONLY, 0600, 0));
  CALL(openat2(AT_FDCWD, "f", 1ull << 40, 0, 0));
  CALL(openat2(AT_FDCWD, "f", O_RDONLY, 0, 1ull << 40));
  CALL(openat2(AT_FDCWD, "g", O_CREAT | O_RDWR, 0200000, 0));
  OK(openat2(AT_FDCWD, "g", O_CREAT | O_RDWR, 0640, 0));
  CALL(openat2(AT_FDCWD, "l", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
  CALL(openat2(d, "../f", O_RDONLY, 0, RESOLVE_BENEATH));
  CALL(openat2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH));
  CALL(openat2(d, "/", O_RDONLY, 0, RESOLVE_BENEATH));
  CALL(openat2(d, "../f", O_RDONLY, 0, RESOLVE_IN_ROOT));
  OK(openat2(d, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT));
  OK(openat2(d, "../..", O_RDONLY, 0, RESOLVE_IN_ROOT));
  CALL(openat2(d, "f", O_RDONLY, 0, RESOLVE_IN_ROOT | RESOLVE_BENEATH));
  struct open_how how = {0};
  CALL(syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof how - 1));
  CALL(syscall(SYS_openat2, AT_FDCWD, "f", &how, 0));
  CALL(syscall(SYS_openat2, AT_FDCWD, "f", &how, 8192));
  struct { struct open_how h; uint64_t more; } big = {{0}, 0};
  OK(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big));
  big.more = 1;
  CALL(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big));
}
CASE(creat_truncates) {
  struct stat st;
  make_file("f", "hello", 0644);
  int fd = OK(creat("f", 0600));
  NEED(fstat(fd, &st));
  VAL(st.st_size);
  OCT(st.st_mode);
  char b;
  CALL(read(fd, &b, 1));
  CALL(write(fd, "x", 1));
}
CASE(open_tmpfile) {
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd < 0 && errno == EOPNOTSUPP) { say("not supported here"); return; }
  YES(fd >= 0);
  struct stat st;
  CALL(write(fd, "abc", 3));
  NEED(fstat(fd, &st));
  VAL(st.st_nlink);
  CALL(open(".", O_TMPFILE | O_RDONLY, 0600));
  char path[64];
  sprintf(path, "/proc/self/fd/%d", fd);
  CALL(linkat(AT_FDCWD, path, AT_FDCWD, "made", AT_SYMLINK_FOLLOW));
  NEED(stat("made", &st));
  VAL(st.st_size);
}
CASE(close_range_checks) {
  int a = NEED(open("/dev/null", 0));
  NEED(dup2(a, 20)), NEED(dup2(a, 21)), NEED(dup2(a, 22)), NEED(dup2(a, 30));
  CALL(syscall(SYS_close_range, 20, 21, 0));
  CALL(fcntl(20, F_GETFD));
  CALL(fcntl(22, F_GETFD));
  CALL(syscall(SYS_close_range, 22, 30, 4));
  CALL(fcntl(22, F_GETFD));
  CALL(fcntl(30, F_GETFD));
  CALL(syscall(SYS_close_range, 22, 10, 0));
  CALL(syscall(SYS_close_range, 22, 30, 8));
  CALL(syscall(SYS_close_range, 20, ~0u, 2));
  CALL(fcntl(30, F_GETFD));
}
CASE(open_permission) {
  make_file("secret", "x", 0600);
  make_file("readable", "x", 0444);
  NEED(mkdir("closed", 0700));
  make_file("closed/f", "x", 0666);
  NEED(mkdir("noread", 0711));
  make_file("noread/f", "x", 0666);
  NEED(mkdir("nowrite", 0755));
  become(1234);
  CALL(open("secret", O_RDONLY));
  OK(open("readable", O_RDONLY));
  CALL(open("readable", O_WRONLY));
  CALL(open("readable", O_RDONLY | O_TRUNC));
  CALL(open("closed", O_RDONLY));
  CALL(open("closed/f", O_RDONLY));
  CALL(open("closed/none", O_RDONLY));
  CALL(open("noread", O_RDONLY));
  OK(open("noread/f", O_RDONLY));
  CALL(open("nowrite/new", O_CREAT | O_RDWR, 0600));
  CALL(open("secret", O_CREAT | O_EXCL, 0600));
  OK(open("secret", O_PATH));
}
CASE(open_noatime) {
  make_file("f", "x", 0666);
  OK(open("f", O_RDONLY | O_NOATIME));
  become(1234);
  CALL(open("f", O_RDONLY | O_NOATIME));
}
CASE(open_running_program) {
  // A program that runs cannot be written.
  OK(open("/proc/self/exe", O_RDONLY));
}
CASE(proc_self_fd_reopen) {
  char b[8] = {0}, path[64], link[300];
  make_file("f", "abc", 0600);
  int fd = NEED(open("f", O_RDWR));
  CALL(read(fd, b, 2));
  sprintf(path, "/proc/self/fd/%d", fd);
  int again = OK(open(path, O_RDONLY));
  CALL(lseek(again, 0, SEEK_CUR));
  NEED(unlink("f"));
  ssize_t n = readlink(path, link, sizeof link - 1);
  link[n] = 0;
  STR(strrchr(link, '/'));
  again = OK(open(path, O_RDONLY));
  CALL(read(again, b, 8));
  OK(open("/dev/fd/1", O_WRONLY | O_APPEND) != -2);
}
// F_CREATED_QUERY: did this very open make the file?
CASE(open_knows_it_created) {
  int made = NEED(open("f", O_CREAT | O_RDWR | O_CLOEXEC, 0644)), again = NEED(open("f", O_CREAT | O_RDWR, 0644));
  CALL(fcntl(made, 1028, 0));
  CALL(fcntl(again, 1028, 0));
  CALL(fcntl(dup(made), 1028, 0));
  CALL(fcntl(NEED(open("f", O_PATH)), 1028, 0));
  CALL(fcntl(NEED(open("g", O_CREAT | O_EXCL | O_WRONLY, 0600)), 1028, 0));
  CALL(fcntl(NEED(open(".", O_TMPFILE | O_WRONLY, 0600)), 1028, 0));
  CALL(fcntl(NEED(open(".", O_RDONLY)), 1028, 0));
  CALL(fcntl(99, 1028, 0));
}
