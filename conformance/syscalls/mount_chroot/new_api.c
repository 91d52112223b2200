// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/mount.h>
#include <sys/statvfs.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#define SYS_fspick 433
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
struct attr { uint64_t set, clr, propagation, userns; };
static long fs_open(const char *n, unsigned f) { return syscall(SYS_fsopen, n, f); }
static long config(int fd, unsigned c, const char *k, const void *v, int a) { return syscall(SYS_fsconfig, fd, c, k, v, a); }
static long fs_mount(int fd, unsigned f, unsigned a) { return syscall(SYS_fsmount, fd, f, a); }
static long move_to(int fd, const char *from, int to, const char *path, unsigned f) { return syscall(SYS_move_mount, fd, from, to, path, f); }
static long tree(int d, const char *p, unsigned f) { return syscall(SYS_open_tree, d, p, f); }
static long setattr(int d, const char *p, unsigned f, struct attr *a, size_t n) { return syscall(SYS_mount_setattr, d, p, f, a, n); }
static void own_mounts(void) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}
static void flags_of(const char *p) {
  struct statvfs s;
  NEED(statvfs(p, &s));
  say("%s: flags %lx", p, s.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_NOATIME | ST_NODIRATIME | ST_RELATIME));
}

CASE(fsopen_mounts_tmpfs) {
  own_mounts();
  NEED(mkdir("m", 0755));
  int c = NEED(fs_open("tmpfs", 1));
  CALL(fcntl(c, F_GETFD));
  CALL(config(c, 1, "source", "mine", 0));
  CALL(config(c, 1, "source", "again", 0));
  CALL(config(c, 1, "size", "1m", 0));
  CALL(config(c, 0, "rw", NULL, 0));
  CALL(fs_mount(c, 0, 0));
  CALL(config(c, 6, NULL, NULL, 0));
  CALL(config(c, 6, NULL, NULL, 0));
  CALL(config(c, 1, "size", "2m", 0));
  int m = NEED(fs_mount(c, 1, 8 | 2));
  CALL(fcntl(m, F_GETFD));
  CALL(fs_mount(c, 0, 0));
  // Usable before it is anywhere.
  int f = OK(openat(m, "file", O_CREAT | O_RDWR, 0644));
  CALL(write(f, "hello", 5));
  close(f);
  CALL(access("m/file", F_OK));
  CALL(move_to(m, "", AT_FDCWD, "m", 4));
  CALL(access("m/file", F_OK));
  flags_of("m");
  struct statvfs s;
  NEED(statvfs("m", &s));
  VAL(s.f_blocks * s.f_frsize);
  CALL(move_to(m, "", AT_FDCWD, "m", 4));
  close(m);
  CALL(access("m/file", F_OK));
  char line[512];
  FILE *mi = fopen("/proc/self/mountinfo", "r");
  while (fgets(line, sizeof line, mi)) if (strstr(line, " - tmpfs mine ")) say("listed");
  CALL(umount("m"));
}
CASE(fsopen_errors) {
  own_mounts();
  CALL(fs_open("nosuchfs", 0));
  CALL(fs_open("tmpfs", 2));
  CALL(fs_open(BAD_POINTER, 0));
  int c = NEED(fs_open("tmpfs", 0)), p = open(".", O_RDONLY);
  CALL(config(-1, 0, "ro", NULL, 0));
  CALL(config(99, 0, "ro", NULL, 0));
  CALL(config(p, 0, "ro", NULL, 0));
  CALL(config(c, 77, "ro", NULL, 0));
  CALL(config(c, 0, NULL, NULL, 0));
  CALL(config(c, 0, "ro", "x", 0));
  CALL(config(c, 0, "ro", NULL, 1));
  CALL(config(c, 1, "size", NULL, 0));
  CALL(config(c, 6, "x", NULL, 0));
  CALL(fs_mount(p, 0, 0));
  CALL(fs_mount(99, 0, 0));
  CALL(fs_mount(c, 0, 0x30));
  CALL(fs_mount(c, 0, 0x40000000));
  CALL(fs_mount(c, 8, 0));
  become(1000);
  CALL(fs_open("tmpfs", 0));
  CALL(tree(AT_FDCWD, ".", 1));
  CALL(move_to(AT_FDCWD, ".", AT_FDCWD, ".", 0));
  OK(tree(AT_FDCWD, ".", 0));
}
CASE(open_tree_clones) {
  own_mounts();
  NEED(mkdir("a", 0755)), NEED(mkdir("a/sub", 0755)), NEED(mkdir("b", 0755)), NEED(mkdir("c", 0755));
  NEED(mount("t", "a/sub", "tmpfs", 0, ""));
  make_file("a/sub/inside", "x", 0644);
  make_file("a/here", "x", 0644);
  CALL(tree(AT_FDCWD, "a", 0x8000));
  CALL(tree(AT_FDCWD, "a", 2));
  CALL(tree(AT_FDCWD, "none", 1));
  int one = NEED(tree(AT_FDCWD, "a", 1)), all = NEED(tree(AT_FDCWD, "a", 1 | 0x8000 | O_CLOEXEC));
  CALL(fcntl(all, F_GETFD));
  CALL(faccessat(one, "sub/inside", F_OK, 0));
  CALL(faccessat(all, "sub/inside", F_OK, 0));
  struct attr ro = {.set = 1};
  CALL(setattr(all, "", AT_EMPTY_PATH | 0x8000, &ro, sizeof ro));
  CALL(move_to(one, "", AT_FDCWD, "b", 4));
  CALL(move_to(all, "", AT_FDCWD, "c", 4));
  CALL(access("b/here", F_OK));
  CALL(access("b/sub/inside", F_OK));
  CALL(access("c/sub/inside", F_OK));
  CALL(open("c/sub/new", O_CREAT | O_RDWR, 0644));
  OK(open("a/sub/new", O_CREAT | O_RDWR, 0644));
  flags_of("c/sub");
  // A plain one is an O_PATH descriptor; mounts move by their place.
  NEED(mkdir("d", 0755));
  int plain = NEED(tree(AT_FDCWD, "b", 0));
  CALL(read(plain, &ro, 1));
  CALL(move_to(plain, "", AT_FDCWD, "d", 4));
  CALL(access("b/here", F_OK));
  CALL(access("d/here", F_OK));
  CALL(move_to(AT_FDCWD, "a", AT_FDCWD, "b", 0));
  CALL(move_to(AT_FDCWD, "d", AT_FDCWD, "c/here", 0));
  CALL(move_to(AT_FDCWD, "d", AT_FDCWD, "b", 0x400));
}
CASE(mount_setattr_changes) {
  own_mounts();
  NEED(mkdir("m", 0755));
  NEED(mount("t", "m", "tmpfs", 0, ""));
  struct attr a = {.set = 1 | 4 | 8};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  flags_of("m");
  a = (struct attr){.clr = 1 | 4};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  flags_of("m");
  a = (struct attr){.set = 0x10};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  a = (struct attr){.set = 0x10, .clr = 0x70};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  flags_of("m");
  a = (struct attr){.clr = 0x10};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  a = (struct attr){.set = 0x40000000};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  a = (struct attr){.propagation = MS_SHARED};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  a.propagation = MS_SHARED | MS_SLAVE;
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  a = (struct attr){0};
  CALL(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
  CALL(setattr(AT_FDCWD, "m", 0, &a, 8));
  CALL(setattr(AT_FDCWD, "m", 0, &a, 5000));
  CALL(setattr(AT_FDCWD, "m", 0x10000, &a, sizeof a));
  a.set = 1;
  CALL(setattr(AT_FDCWD, "m", 0, BAD_POINTER, sizeof a));
  NEED(mkdir("plain", 0755));
  CALL(setattr(AT_FDCWD, "plain", 0, &a, sizeof a));
}
CASE(fspick_reconfigures) {
  own_mounts();
  NEED(mkdir("m", 0755));
  NEED(mount("t", "m", "tmpfs", 0, "size=1m"));
  int c = NEED(syscall(SYS_fspick, AT_FDCWD, "m", 1));
  CALL(config(c, 1, "size", "2m", 0));
  CALL(config(c, 0, "ro", NULL, 0));
  CALL(config(c, 7, NULL, NULL, 0));
  CALL(open("m/f", O_CREAT | O_RDWR, 0644));
  struct statvfs s;
  NEED(statvfs("m", &s));
  VAL(s.f_blocks * s.f_frsize);
  NEED(mkdir("d", 0755));
  CALL(syscall(SYS_fspick, AT_FDCWD, "d", 0));
  CALL(syscall(SYS_fspick, AT_FDCWD, "m", 64));
}
// Flags of every superblock are known by their names, whatever comes with them.
CASE(fsconfig_flags_with_values) {
  own_mounts();
  NEED(mkdir("m", 0755));
  int c = NEED(fs_open("tmpfs", 0));
  CALL(config(c, 1, "sync", "false", 0));
  CALL(config(c, 1, "ro", "no", 0));
  CALL(config(c, 1, "nosuchthing", "1", 0));
  CALL(config(c, 6, NULL, NULL, 0));
  int m = NEED(fs_mount(c, 0, 0));
  CALL(move_to(m, "", AT_FDCWD, "m", 4));
  CALL(open("m/f", O_CREAT | O_RDWR, 0644));
}
static void tmpfs_with(const char *path, const char *file) {
  char name[64];
  NEED(mkdir(path, 0755)), NEED(mount("none", path, "tmpfs", 0, ""));
  snprintf(name, sizeof name, "%s/%s", path, file);
  make_file(name, "x", 0644);
}
// A mount goes beneath the one that is there: uncovered when that is taken off.
CASE(move_mount_beneath) {
  own_mounts();
  tmpfs_with("a", "in_a"), tmpfs_with("b", "in_b");
  NEED(mkdir("plain", 0755)), NEED(mkdir("a/under", 0755));
  int copy = NEED(tree(AT_FDCWD, "a", 1));
  CALL(move_to(copy, "", AT_FDCWD, "plain", 0x200 | 4));
  CALL(move_to(copy, "", AT_FDCWD, "b", 0x200 | 0x100 | 4));
  CALL(move_to(copy, "", AT_FDCWD, "/", 0x200 | 4));
  CALL(move_to(copy, "", AT_FDCWD, "b", 0x200 | 4));
  CALL(access("b/in_b", F_OK));
  CALL(access("b/in_a", F_OK));
  CALL(umount("b"));
  CALL(access("b/in_a", F_OK));
  CALL(umount("b"));
  CALL(access("b/in_a", F_OK));
  // One that is mounted already, and one that sits on the target.
  NEED(mount("none", "b", "tmpfs", 0, ""));
  make_file("b/again", "x", 0644);
  NEED(mkdir("b/sub", 0755)), NEED(mount("none", "b/sub", "tmpfs", 0, ""));
  CALL(move_to(AT_FDCWD, "b/sub", AT_FDCWD, "b", 0x200));
  CALL(move_to(AT_FDCWD, "a", AT_FDCWD, "b", 0x200));
  CALL(access("a/in_a", F_OK));
  CALL(umount("b/sub"));
  CALL(umount("b"));
  CALL(access("b/in_a", F_OK));
}
// A private mount becomes a peer, or a slave, as another mount of the same filesystem is.
CASE(move_mount_sets_group) {
  own_mounts();
  tmpfs_with("a", "in_a"), tmpfs_with("other", "x");
  NEED(mkdir("b", 0755)), NEED(mkdir("a/x", 0755)), NEED(mkdir("a/y", 0755)), NEED(mkdir("plain", 0755));
  NEED(mount("a", "b", NULL, MS_BIND, NULL));
  CALL(move_to(AT_FDCWD, "a", AT_FDCWD, "b", 0x100));
  NEED(mount(NULL, "a", NULL, MS_SHARED, NULL));
  CALL(move_to(AT_FDCWD, "a", AT_FDCWD, "other", 0x100));
  CALL(move_to(AT_FDCWD, "a/x", AT_FDCWD, "b", 0x100));
  CALL(move_to(AT_FDCWD, "a", AT_FDCWD, "plain", 0x100));
  CALL(move_to(AT_FDCWD, "a", AT_FDCWD, "b", 0x100));
  CALL(move_to(AT_FDCWD, "a", AT_FDCWD, "b", 0x100));
  NEED(mount("none", "a/x", "tmpfs", 0, ""));
  make_file("a/x/seen", "x", 0644);
  CALL(access("b/x/seen", F_OK));
  NEED(mount("none", "b/y", "tmpfs", 0, ""));
  make_file("b/y/seen", "x", 0644);
  CALL(access("a/y/seen", F_OK));
}
// open_tree with attributes for the copy.
CASE(open_tree_attributes) {
  own_mounts();
  tmpfs_with("a", "in_a");
  NEED(mkdir("b", 0755));
  struct attr ro = {.set = 1}, bad = {.set = 0x40000000}, none = {0};
  CALL(syscall(467, AT_FDCWD, "a", 1, NULL, sizeof ro));
  CALL(syscall(467, AT_FDCWD, "a", 1, &ro, 8));
  CALL(syscall(467, AT_FDCWD, "a", 1, &bad, sizeof bad));
  CALL(syscall(467, AT_FDCWD, "nothing", 1, &bad, sizeof bad));
  CALL(syscall(467, AT_FDCWD, "b", 0, &ro, sizeof ro));
  OK(syscall(467, AT_FDCWD, "a", 1, NULL, 0));
  OK(syscall(467, AT_FDCWD, "a", 1, &none, sizeof none));
  int fd = OK(syscall(467, AT_FDCWD, "a", 1 | O_CLOEXEC, &ro, sizeof ro));
  CALL(fcntl(fd, F_GETFD));
  CALL(move_to(fd, "", AT_FDCWD, "b", 4));
  CALL(open("b/x", O_CREAT | O_RDWR, 0644));
  flags_of("a");
  flags_of("b");
}
