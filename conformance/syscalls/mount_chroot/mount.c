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

static void show_tree(const char *when) {
  char line[4096], here[1024], root[512], at[512], options[256], rest[1024];
  NEED(getcwd(here, sizeof here) ? 0 : -1);
  // Group numbers differ between runs: they are renumbered as they come.
  int numbers[64], count = 0;
  say("-- %s", when);
  FILE *file = fopen("/proc/self/mountinfo", "r");
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "%*d %*d %*s %511s %511s %255s %1023[^\n]", root, at, options, rest) != 4) continue;
    if (strncmp(at, here, strlen(here)) != 0 || at[strlen(here)] != '/') continue;
    char text[256] = "";
    for (char *word = strtok(rest, " "); word && strcmp(word, "-") != 0; word = strtok(0, " ")) {
      char *colon = strchr(word, ':');
      int number = colon ? atoi(colon + 1) : 0, i = 0;
      while (colon && i < count && numbers[i] != number) i++;
      if (colon && i == count && count < 64) numbers[count++] = number;
      if (colon) *colon = 0;
      snprintf(text + strlen(text), sizeof text - strlen(text), " %s%d", word, i);
    }
    say("%s%s", at + strlen(here) + 1, text);
  }
  fclose(file);
}
static void tmpfs_at(const char *path) { NEED(mount("none", path, "tmpfs", 0, "")); }
// What happens on a shared mount happens on its peers and slaves; what happens on a slave stays there.
CASE(mount_propagation) {
  own_namespace();
  NEED(mkdir("a", 0755)), NEED(mkdir("b", 0755)), NEED(mkdir("c", 0755)), NEED(mkdir("d", 0755));
  tmpfs_at("a");
  CALL(mount("none", "a", NULL, MS_SHARED, NULL));
  NEED(mkdir("a/x", 0755)), NEED(mkdir("a/y", 0755)), NEED(mkdir("a/x/z", 0755));
  CALL(mount("a", "b", NULL, MS_BIND, NULL));
  CALL(mount("a", "c", NULL, MS_BIND, NULL));
  CALL(mount("none", "c", NULL, MS_SLAVE, NULL));
  CALL(mount("c", "d", NULL, MS_BIND, NULL));
  CALL(mount("none", "d", NULL, MS_SHARED, NULL));
  show_tree("set up");
  tmpfs_at("b/x");
  show_tree("mounted on a peer");
  tmpfs_at("c/y");
  show_tree("mounted on the slave");
  tmpfs_at("a/y");
  show_tree("beneath what the slave has");
  CALL(umount("a/y"));
  show_tree("taken off again");
  CALL(umount("a/x"));
  show_tree("and the first");
  NEED(mkdir("u", 0755));
  tmpfs_at("u");
  CALL(mount("none", "u", NULL, MS_UNBINDABLE, NULL));
  CALL(mount("u", "a/x", NULL, MS_BIND, NULL));
  CALL(mount("u", "a/x", NULL, MS_MOVE, NULL));
  CALL(mount("none", "u", NULL, MS_PRIVATE, NULL));
  CALL(mount("u", "a/x", NULL, MS_MOVE, NULL));
  show_tree("moved");
  CALL(mount("a/x", "b/y", NULL, MS_MOVE, NULL));
  CALL(umount2("b", MNT_DETACH));
  CALL(umount2("a/x", MNT_DETACH));
  show_tree("at the end");
}
// A copy of the namespace has peers of what was shared.
CASE(propagation_between_namespaces) {
  own_namespace();
  NEED(mkdir("s", 0755));
  tmpfs_at("s");
  NEED(mount("none", "s", NULL, MS_SHARED, NULL));
  NEED(mkdir("s/x", 0755)), NEED(mkdir("s/y", 0755));
  int to[2], from[2];
  char c;
  NEED(pipe(to)), NEED(pipe(from));
  pid_t child = NEED(fork());
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || write(from[1], "u", 1) != 1 || read(to[0], &c, 1) != 1) _exit(1);
    if (access("s/x/in_parent", F_OK) != 0) _exit(2);
    if (mount("none", "s/y", "tmpfs", 0, "") != 0 || mkdir("s/y/in_child", 0755) != 0) _exit(3);
    if (write(from[1], "m", 1) != 1 || read(to[0], &c, 1) != 1) _exit(4);
    _exit(access("s/x/in_parent", F_OK) == 0 ? 5 : 0);
  }
  NEED(read(from[0], &c, 1));
  tmpfs_at("s/x");
  NEED(mkdir("s/x/in_parent", 0755));
  NEED(write(to[1], "x", 1));
  NEED(read(from[0], &c, 1));
  CALL(access("s/y/in_child", F_OK));
  NEED(umount("s/x"));
  NEED(write(to[1], "x", 1));
  report_end("child", child);
  CALL(access("s/y/in_child", F_OK));
}

// A mount through which a file is open for writing does not become read-only.
CASE(mount_busy_writing) {
  own_namespace();
  NEED(mkdir("a", 0755)), NEED(mkdir("b", 0755));
  tmpfs_at("a");
  make_file("a/f", "x", 0644);
  NEED(mount("a", "b", NULL, MS_BIND, NULL));
  int fd = NEED(open("a/f", O_RDWR));
  CALL(mount("none", "a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  CALL(mount("none", "a", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL));
  CALL(mount("none", "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  CALL(mount("none", "b", NULL, MS_REMOUNT | MS_BIND, NULL));
  CALL(mount("none", "b", NULL, MS_REMOUNT | MS_RDONLY, NULL));
  CALL(write(fd, "y", 1));
  // A mapping keeps the file open.
  char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  CALL(mount("none", "a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  munmap(p, 4096);
  fd = NEED(open("a/f", O_RDONLY));
  CALL(mount("none", "a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  CALL(mount("none", "b", NULL, MS_REMOUNT | MS_RDONLY, NULL));
  CALL(open("b/f", O_RDWR));
  CALL(mount("none", "b", NULL, MS_REMOUNT, NULL));
  OK(open("b/f", O_RDWR));
  CALL(open("a/f", O_RDWR));
}

// umount2(MNT_EXPIRE): the second time in a row that nobody used it in between.
CASE(umount_expire) {
  own_namespace();
  NEED(mkdir("a", 0755));
  tmpfs_at("a");
  make_file("a/f", "x", 0644);
  CALL(umount2("a", MNT_EXPIRE | MNT_FORCE));
  CALL(umount2("a", MNT_EXPIRE | MNT_DETACH));
  CALL(umount2("a", MNT_EXPIRE));
  CALL(access("a/f", F_OK));
  CALL(umount2("a", MNT_EXPIRE));
  int fd = NEED(open("a/f", O_RDONLY));
  CALL(umount2("a", MNT_EXPIRE));
  close(fd);
  CALL(umount2("a", MNT_EXPIRE));
  CALL(access("a", F_OK));
  CALL(umount2("a", MNT_EXPIRE));
  CALL(umount2("a", MNT_EXPIRE));
  CALL(access("a/f", F_OK));
}
