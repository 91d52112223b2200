// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <utime.h>
#include <linux/stat.h>

static int raw_statx(int d, const char *p, int flags, unsigned mask, void *buf) { return syscall(SYS_statx, d, p, flags, mask, buf); }

CASE(stat_kinds) {
  struct stat st;
  make_file("f", "hello", 0640);
  NEED(mkdir("d", 0750));
  NEED(symlink("target", "l"));
  NEED(mkfifo("p", 0644));
  CALL(stat("f", &st));
  OCT(st.st_mode);
  VAL(st.st_nlink);
  VAL(st.st_size);
  VAL(st.st_blksize > 0);
  CALL(stat("d", &st));
  OCT(st.st_mode);
  CALL(lstat("l", &st));
  OCT(st.st_mode);
  VAL(st.st_size);
  CALL(stat("l", &st));
  CALL(stat("p", &st));
  OCT(st.st_mode);
  CALL(stat("/dev/null", &st));
  OCT(st.st_mode);
  VAL(major(st.st_rdev));
  VAL(minor(st.st_rdev));
}
CASE(stat_errors) {
  struct stat st;
  make_file("f", "x", 0600);
  CALL(stat("none", &st));
  CALL(stat("f/", &st));
  CALL(stat("f/x", &st));
  CALL(stat("", &st));
  CALL(stat(NULL, &st));
  CALL(syscall(SYS_stat, "f", BAD_POINTER));
  CALL(syscall(SYS_fstat, 0, KERNEL_POINTER));
  CALL(fstat(999, &st));
  CALL(fstat(-1, &st));
  CALL(fstatat(999, "x", &st, 0));
  CALL(fstatat(AT_FDCWD, "f", &st, 0x40000));
  CALL(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
  OCT(st.st_mode & S_IFMT);
  CALL(fstatat(AT_FDCWD, "", &st, 0));
  CALL(fstatat(NEED(open("f", O_PATH)), "", &st, AT_EMPTY_PATH));
  OCT(st.st_mode & S_IFMT);
}
CASE(statx_basic) {
  struct statx x;
  make_file("f", "hello", 0640);
  NEED(symlink("f", "l"));
  CALL(raw_statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
  YES((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
  OCT(x.stx_mode);
  VAL(x.stx_size);
  VAL(x.stx_nlink);
  CALL(raw_statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
  OCT(x.stx_mode);
  CALL(raw_statx(AT_FDCWD, "none", 0, STATX_BASIC_STATS, &x));
  CALL(raw_statx(AT_FDCWD, "f", 0, 0x80000000, &x));
  CALL(raw_statx(AT_FDCWD, "f", 0x40000, 0, &x));
  CALL(raw_statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &x));
  CALL(raw_statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &x));
  CALL(raw_statx(AT_FDCWD, "f", 0, STATX_SIZE, BAD_POINTER));
  int fd = NEED(open("f", O_RDONLY));
  CALL(raw_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
  VAL(x.stx_size);
  CALL(raw_statx(fd, "", 0, STATX_SIZE, &x));
}
CASE(chmod_family) {
  struct stat st;
  make_file("f", "x", 0600);
  NEED(symlink("f", "l"));
  NEED(symlink("none", "dangling"));
  CALL(chmod("f", 07777));
  NEED(stat("f", &st));
  OCT(st.st_mode);
  CALL(chmod("l", 0100644));
  NEED(stat("f", &st));
  OCT(st.st_mode);
  int fd = NEED(open("f", O_RDONLY));
  CALL(fchmod(fd, 0400));
  NEED(fstat(fd, &st));
  OCT(st.st_mode);
  CALL(chmod("none", 0600));
  CALL(chmod("dangling", 0600));
  CALL(chmod("f/x", 0600));
  CALL(chmod(NULL, 0600));
  CALL(fchmod(999, 0600));
  CALL(fchmodat(AT_FDCWD, "f", 0644, 0));
  CALL(syscall(SYS_fchmodat, AT_FDCWD, "f", 0640));
  CALL(syscall(SYS_fchmodat, 999, "f", 0640));
  become(1234);
  CALL(chmod("f", 0666));
  CALL(fchmod(fd, 0666));
}
CASE(chmod_by_owner_clears_setgid) {
  struct stat st;
  make_file("f", "x", 0600);
  NEED(chown("f", 1234, 99));
  become(1234);
  CALL(chmod("f", 02755));
  NEED(stat("f", &st));
  OCT(st.st_mode);
  CALL(chmod("f", 04755));
  NEED(stat("f", &st));
  OCT(st.st_mode);
}
CASE(chown_family) {
  struct stat st;
  make_file("f", "x", 06755);
  NEED(symlink("f", "l"));
  CALL(chown("f", 10, 20));
  NEED(stat("f", &st));
  VAL(st.st_uid);
  VAL(st.st_gid);
  OCT(st.st_mode);
  CALL(chown("f", -1, 30));
  NEED(stat("f", &st));
  VAL(st.st_uid);
  VAL(st.st_gid);
  CALL(lchown("l", 40, 50));
  NEED(lstat("l", &st));
  VAL(st.st_uid);
  NEED(stat("l", &st));
  VAL(st.st_uid);
  CALL(fchownat(AT_FDCWD, "l", 60, 60, AT_SYMLINK_NOFOLLOW));
  CALL(fchownat(AT_FDCWD, "l", 60, 60, 0x8000));
  int fd = NEED(open("f", O_RDONLY));
  CALL(fchown(fd, 1234, 1234));
  CALL(fchownat(fd, "", 1234, 1234, AT_EMPTY_PATH));
  CALL(chown("none", 0, 0));
  CALL(chown(NULL, 0, 0));
  CALL(fchown(999, 0, 0));
  become(1234);
  CALL(chown("f", 0, -1));
  CALL(chown("f", -1, 0));
  CALL(chown("f", 1234, 1234));
  CALL(chown("f", -1, -1));
}
CASE(access_family) {
  make_file("f", "x", 0640);
  make_file("x", "x", 0100);
  NEED(symlink("none", "dangling"));
  CALL(access("f", F_OK));
  CALL(access("f", R_OK | W_OK));
  CALL(access("f", X_OK));
  CALL(access("x", X_OK));
  CALL(access("none", F_OK));
  CALL(access("dangling", F_OK));
  CALL(access("f", 8));
  CALL(access(NULL, F_OK));
  CALL(access("f/x", F_OK));
  CALL(faccessat(999, "f", F_OK, 0));
  CALL(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
  CALL(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
  CALL(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 0x8000));
  CALL(syscall(SYS_faccessat2, AT_FDCWD, "", F_OK, AT_EMPTY_PATH));
  NEED(setresuid(1234, 0, 0));
  CALL(access("f", R_OK));
  CALL(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
}
CASE(utimens_set) {
  struct stat st;
  make_file("f", "x", 0600);
  struct timespec t[2] = {{1000000000, 123456789}, {2000000000, 987654321}};
  CALL(utimensat(AT_FDCWD, "f", t, 0));
  NEED(stat("f", &st));
  VAL(st.st_atim.tv_sec);
  VAL(st.st_atim.tv_nsec);
  VAL(st.st_mtim.tv_sec);
  VAL(st.st_mtim.tv_nsec);
  struct timespec o[2] = {{0, UTIME_OMIT}, {5, 0}};
  CALL(utimensat(AT_FDCWD, "f", o, 0));
  NEED(stat("f", &st));
  VAL(st.st_atim.tv_sec);
  VAL(st.st_mtim.tv_sec);
  struct timespec n[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  CALL(utimensat(AT_FDCWD, "f", n, 0));
  NEED(stat("f", &st));
  YES(st.st_atim.tv_sec > 1500000000);
  VAL(st.st_mtim.tv_sec);
  struct timespec bad[2] = {{0, 1000000000}, {0, 0}};
  CALL(utimensat(AT_FDCWD, "f", bad, 0));
  bad[0].tv_nsec = -1;
  CALL(utimensat(AT_FDCWD, "f", bad, 0));
  CALL(utimensat(AT_FDCWD, "none", t, 0));
  CALL(utimensat(AT_FDCWD, "f", t, 0x4));
  CALL(utimensat(AT_FDCWD, "f", BAD_POINTER, 0));
  CALL(utimensat(999, "f", t, 0));
  CALL(syscall(SYS_utimensat, NEED(open("f", O_RDONLY)), NULL, t, 0));
  CALL(syscall(SYS_utimensat, AT_FDCWD, NULL, t, 0));
  struct utimbuf u = {100, 200};
  CALL(utime("f", &u));
  struct timeval v[2] = {{7, 500000}, {8, 0}};
  CALL(utimes("f", v));
  NEED(stat("f", &st));
  VAL(st.st_atim.tv_nsec);
  v[0].tv_usec = 1000000;
  CALL(utimes("f", v));
  NEED(symlink("none", "l"));
  CALL(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
  NEED(lstat("l", &st));
  VAL(st.st_mtim.tv_sec);
}
CASE(utimens_permission) {
  make_file("f", "x", 0666);
  make_file("g", "x", 0644);
  become(1234);
  struct timespec t[2] = {{1, 0}, {2, 0}}, omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  CALL(utimensat(AT_FDCWD, "f", NULL, 0));
  CALL(utimensat(AT_FDCWD, "f", t, 0));
  CALL(utimensat(AT_FDCWD, "g", NULL, 0));
  CALL(utimensat(AT_FDCWD, "g", omit, 0));
}
CASE(times_move) {
  struct stat a, b;
  int fd = NEED(open("f", O_CREAT | O_RDWR, 0600));
  struct timespec old[2] = {{1000, 0}, {1000, 0}};
  NEED(futimens(fd, old));
  NEED(fstat(fd, &a));
  NEED(write(fd, "x", 1));
  NEED(fstat(fd, &b));
  YES(b.st_mtim.tv_sec > 1000);
  VAL(b.st_atim.tv_sec);
  YES(b.st_ctim.tv_sec > 1000);
  NEED(futimens(fd, old));
  NEED(ftruncate(fd, 100));
  NEED(fstat(fd, &b));
  YES(b.st_mtim.tv_sec > 1000);
  NEED(mkdir("d", 0755));
  NEED(utimensat(AT_FDCWD, "d", old, 0));
  make_file("d/f", "", 0600);
  NEED(stat("d", &b));
  YES(b.st_mtim.tv_sec > 1000);
  NEED(utimensat(AT_FDCWD, "d", old, 0));
  NEED(unlink("d/f"));
  NEED(stat("d", &b));
  YES(b.st_mtim.tv_sec > 1000);
}
CASE(statfs_family) {
  struct statfs s;
  make_file("f", "x", 0600);
  CALL(statfs("f", &s));
  YES(s.f_bsize > 0 && s.f_blocks >= s.f_bfree && s.f_namelen == 255);
  CALL(statfs("none", &s));
  CALL(statfs("f/x", &s));
  CALL(statfs("f", BAD_POINTER));
  CALL(statfs("/proc", &s));
  say("%lx", (long)s.f_type);
  CALL(fstatfs(0, &s));
  CALL(fstatfs(999, &s));
  CALL(statfs("/dev/shm", &s));
  say("%lx", (long)s.f_type);
  int p[2];
  NEED(pipe(p));
  CALL(fstatfs(p[0], &s));
  say("%lx", (long)s.f_type);
}
CASE(inode_identity) {
  struct stat a, b, c;
  make_file("f", "x", 0600);
  make_file("g", "x", 0600);
  NEED(link("f", "h"));
  NEED(stat("f", &a)), NEED(stat("g", &b)), NEED(stat("h", &c));
  YES(a.st_ino != b.st_ino);
  YES(a.st_ino == c.st_ino && a.st_dev == c.st_dev);
  YES(a.st_dev == b.st_dev);
  VAL(a.st_nlink);
  NEED(rename("f", "i"));
  NEED(stat("i", &b));
  YES(a.st_ino == b.st_ino);
  int fd = NEED(open("i", O_RDWR));
  NEED(fstat(fd, &c));
  YES(c.st_ino == b.st_ino);
  NEED(write(fd, "yyy", 3));
  NEED(stat("h", &c));
  VAL(c.st_size);
  YES(c.st_ino == a.st_ino);
  NEED(unlink("i"));
  NEED(unlink("h"));
  NEED(fstat(fd, &c));
  VAL(c.st_nlink);
}
CASE(umask_values) {
  OCT(umask(077));
  OCT(umask(0777777));
  OCT(umask(0));
  struct stat st;
  NEED(mkdir("d", 0777));
  NEED(stat("d", &st));
  OCT(st.st_mode);
}
CASE(setgid_directory_inherits) {
  struct stat st;
  NEED(mkdir("d", 0755));
  NEED(chown("d", 0, 55));
  NEED(chmod("d", 02755));
  make_file("d/f", "x", 0644);
  NEED(stat("d/f", &st));
  VAL(st.st_gid);
  OCT(st.st_mode);
  NEED(mkdir("d/e", 0755));
  NEED(stat("d/e", &st));
  VAL(st.st_gid);
  OCT(st.st_mode);
}

// chattr's flags: what they forbid, who may set them, and statx.
CASE(file_flags) {
  NEED(mkdir("t", 0755));
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", "t", "tmpfs", 0, NULL) != 0) return;
  make_file("t/f", "text", 0644);
  int fd = NEED(open("t/f", O_RDWR)), flags = 0;
  CALL(ioctl(fd, FS_IOC_GETFLAGS, &flags));
  VAL(flags);
  flags = FS_IMMUTABLE_FL;
  CALL(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  struct statx sx;
  CALL(statx(AT_FDCWD, "t/f", 0, STATX_BASIC_STATS, &sx));
  VAL(sx.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP));
  CALL(open("t/f", O_WRONLY));
  CALL(chmod("t/f", 0600));
  CALL(chown("t/f", 1, 1));
  CALL(unlink("t/f"));
  CALL(rename("t/f", "t/g"));
  CALL(link("t/f", "t/g"));
  CALL(truncate("t/f", 0));
  CALL(utimensat(AT_FDCWD, "t/f", NULL, 0));
  CALL(setxattr("t/f", "user.a", "b", 1, 0));
  flags = FS_APPEND_FL | FS_NODUMP_FL;
  CALL(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  CALL(open("t/f", O_WRONLY));
  CALL(open("t/f", O_WRONLY | O_APPEND) >= 0);
  CALL(unlink("t/f"));
  CALL(truncate("t/f", 0));
  struct fsxattr x;
  CALL(ioctl(fd, FS_IOC_FSGETXATTR, &x));
  VAL(x.fsx_xflags);
  flags = 0;
  CALL(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  flags = 1;
  CALL(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  NEED(fchown(fd, 1000, 1000));
  become(1000);
  flags = FS_IMMUTABLE_FL;
  CALL(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  flags = FS_NODUMP_FL;
  CALL(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

struct file_attributes { uint64_t xflags; uint32_t extsize, nextents, projid, cowextsize; };
static long get_attr(int d, const char *p, void *a, size_t n, unsigned f) { return syscall(468, d, p, a, n, f); }
static long set_attr(int d, const char *p, void *a, size_t n, unsigned f) { return syscall(469, d, p, a, n, f); }
// file_getattr and file_setattr: the same flags by path, for any kind of file.
CASE(file_attr_calls) {
  NEED(mkdir("t", 0755));
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", "t", "tmpfs", 0, NULL) != 0) return;
  make_file("t/f", "text", 0644);
  NEED(symlink("f", "t/l")), NEED(mkfifo("t/p", 0644)), NEED(mkdir("t/d", 0755));
  struct file_attributes a = {.xflags = 1};
  int fd = NEED(open("t/f", O_RDWR));
  CALL(get_attr(AT_FDCWD, "t/f", &a, 24, 0)), VAL(a.xflags);
  a.xflags = 0x80;
  CALL(set_attr(AT_FDCWD, "t/f", &a, 24, 0));
  a.xflags = 0;
  CALL(get_attr(fd, "", &a, 24, AT_EMPTY_PATH)), VAL(a.xflags);
  CALL(get_attr(fd, NULL, &a, 24, AT_EMPTY_PATH)), VAL(a.xflags);
  CALL(get_attr(AT_FDCWD, "t/l", &a, 24, 0)), VAL(a.xflags);
  CALL(get_attr(AT_FDCWD, "t/l", &a, 24, AT_SYMLINK_NOFOLLOW)), VAL(a.xflags);
  CALL(get_attr(AT_FDCWD, "t/p", &a, 24, 0)), VAL(a.xflags);
  CALL(set_attr(AT_FDCWD, "t/p", &a, 24, 0));
  CALL(get_attr(AT_FDCWD, "t/d", &a, 24, 0)), VAL(a.xflags);
  CALL(get_attr(AT_FDCWD, "/proc/self/status", &a, 24, 0));
  CALL(get_attr(AT_FDCWD, "t/none", &a, 24, 0));
  CALL(get_attr(AT_FDCWD, "", &a, 24, 0));
  CALL(get_attr(AT_FDCWD, NULL, &a, 24, 0));
  CALL(get_attr(99, "f", &a, 24, 0));
  CALL(get_attr(fd, "f", &a, 24, 0));
  CALL(get_attr(AT_FDCWD, "t/f", NULL, 24, 0));
  CALL(set_attr(AT_FDCWD, "t/f", NULL, 24, 0));
  CALL(get_attr(AT_FDCWD, "t/f", &a, 0, 0));
  CALL(get_attr(AT_FDCWD, "t/f", &a, 23, 0));
  CALL(get_attr(AT_FDCWD, "t/f", &a, 5000, 0));
  CALL(set_attr(AT_FDCWD, "t/f", &a, 5000, 0));
  CALL(get_attr(AT_FDCWD, "t/f", &a, 24, 0x800));
  char big[32] = {0};
  CALL(set_attr(AT_FDCWD, "t/f", big, 32, 0));
  big[30] = 1;
  CALL(set_attr(AT_FDCWD, "t/f", big, 32, 0));
  CALL(get_attr(AT_FDCWD, "t/f", big, 32, 0)), VAL(big[30]);
#define SET(path, ...) ({ a = (struct file_attributes){__VA_ARGS__}; say("%s " #__VA_ARGS__, path); CALL(set_attr(AT_FDCWD, path, &a, 24, 0)); })
  SET("t/f", .xflags = 4);
  SET("t/f", .xflags = 0x100000);
  SET("t/f", .xflags = 0x20);
  SET("t/f", .xflags = 0x200);
  SET("t/f", .xflags = 0x800);
  SET("t/f", .xflags = 0x800, .extsize = 4096);
  SET("t/f", .extsize = 4096);
  SET("t/d", .xflags = 0x800);
  SET("t/d", .xflags = 0x1000);
  SET("t/f", .xflags = 0x1000);
  SET("t/f", .xflags = 0x10000);
  SET("t/p", .xflags = 0x10000);
  SET("t/f", .cowextsize = 4096);
  SET("t/f", .projid = 7);
  SET("t/f", .nextents = 7);
  SET("t/f", .xflags = 8);
  CALL(open("t/f", O_WRONLY));
  SET("t/f", .xflags = 0);
  close(fd);
  NEED(mount("none", "t", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  SET("t/f", .xflags = 0x80);
  NEED(mount("none", "t", NULL, MS_REMOUNT | MS_BIND, NULL));
  become(1000);
  SET("t/f", .xflags = 0x80);
  CALL(get_attr(AT_FDCWD, "t/f", &a, 24, 0));
}
// chown of nothing at all still is a change.
CASE(chown_nothing) {
  struct stat before, after;
  make_file("f", "x", 06755);
  NEED(chmod("f", 06755)), NEED(mkdir("d", 06755)), NEED(symlink("f", "l"));
  static const char *const names[] = {"f", "d", "l"};
  for (int i = 0; i < 3; i++) {
    NEED(lstat(names[i], &before));
    sleep_ms(20);
    CALL(lchown(names[i], -1, -1));
    NEED(lstat(names[i], &after));
    YES(after.st_ctim.tv_sec > before.st_ctim.tv_sec || after.st_ctim.tv_nsec > before.st_ctim.tv_nsec);
    YES(after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    OCT(after.st_mode);
  }
}
