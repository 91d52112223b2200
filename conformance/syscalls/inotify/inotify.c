// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/inotify.h>
#include <sys/mount.h>

static void drain(int fd) {
  char b[4096] __attribute__((aligned(8)));
  ssize_t n;
  while ((n = read(fd, b, sizeof b)) > 0)
    for (char *p = b; p < b + n;) {
      struct inotify_event *e = (void *)p;
      say("wd %d mask %x name %s cookie %s", e->wd, e->mask, e->len ? e->name : "-", e->cookie ? "yes" : "no");
      p += sizeof *e + e->len;
    }
}
CASE(inotify_directory) {
  int fd = OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  NEED(mkdir("d", 0755));
  CALL(inotify_add_watch(fd, "d", IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB));
  make_file("d/f", "x", 0600);
  drain(fd);
  NEED(rename("d/f", "d/g"));
  NEED(mkdir("d/sub", 0700));
  drain(fd);
  NEED(unlink("d/g"));
  NEED(rmdir("d/sub"));
  drain(fd);
  CALL(inotify_rm_watch(fd, 1));
  drain(fd);
  CALL(inotify_rm_watch(fd, 1));
}
CASE(inotify_errors) {
  int fd = NEED(inotify_init1(0));
  CALL(inotify_init1(0x4));
  CALL(inotify_add_watch(fd, "none", IN_CREATE));
  CALL(inotify_add_watch(fd, ".", 0));
  CALL(inotify_add_watch(0, ".", IN_CREATE));
  CALL(inotify_rm_watch(fd, 77));
  make_file("f", "x", 0600);
  CALL(inotify_add_watch(fd, "f", IN_ONLYDIR | IN_CREATE));
}
CASE(inotify_removal) {
  int fd = OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  int kinds = IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE);
  NEED(mkdir("d", 0755));
  NEED(mkdir("d/sub", 0755));
  make_file("d/f", "x", 0600);
  NEED(link("d/f", "d/second"));
  CALL(inotify_add_watch(fd, "d", kinds));
  CALL(inotify_add_watch(fd, "d/sub", kinds));
  CALL(inotify_add_watch(fd, "d/f", kinds));
  NEED(unlink("d/second"));
  drain(fd);
  int held = OK(open("d/f", O_RDONLY));
  NEED(unlink("d/f"));
  say("removed, still open");
  drain(fd);
  close(held);
  say("closed");
  drain(fd);
  NEED(rmdir("d/sub"));
  drain(fd);
  NEED(rmdir("d"));
  drain(fd);
}
CASE(inotify_replaced) {
  int fd = OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  int kinds = IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE);
  make_file("a", "x", 0600);
  make_file("b", "x", 0600);
  NEED(mkdir("c", 0700));
  NEED(mkdir("d", 0700));
  for (const char *name = "abcd"; *name; name++) CALL(inotify_add_watch(fd, (char[]){*name, 0}, kinds));
  NEED(rename("a", "b"));
  drain(fd);
  NEED(rename("c", "d"));
  drain(fd);
}
CASE(inotify_unmount) {
  int fd = OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  NEED(mkdir("m", 0755));
  NEED(unshare(CLONE_NEWNS));
  NEED(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
  NEED(mount("none", "m", "tmpfs", 0, 0));
  make_file("m/f", "x", 0600);
  CALL(inotify_add_watch(fd, "m/f", IN_CREATE));
  NEED(umount("m"));
  drain(fd);
}

// A directory hears of its open files even after their names went, unless IN_EXCL_UNLINK says not to.
static void unlinked_child(uint32_t extra) {
  char text[64], line[256] = "";
  int in = NEED(inotify_init1(IN_NONBLOCK));
  make_file("child", "1", 0600);
  NEED(inotify_add_watch(in, ".", IN_MODIFY | extra));
  snprintf(text, sizeof text, "/proc/self/fdinfo/%d", in);
  FILE *info = fopen(text, "r");
  unsigned mask = 0;
  while (fgets(line, sizeof line, info)) sscanf(line, "inotify wd:%*d ino:%*x sdev:%*x mask:%x", &mask);
  fclose(info);
  say("mask %x", mask);
  int fd = NEED(open("child", O_RDWR));
  char events[512];
  NEED(write(fd, "2", 1));
  CALL(read(in, events, sizeof events) > 0);
  NEED(unlink("child"));
  NEED(write(fd, "3", 1));
  CALL(read(in, events, sizeof events));
  close(fd);
  close(in);
}
CASE(unlinked_child) {
  unlinked_child(0);
  unlinked_child(IN_EXCL_UNLINK);
  unlinked_child(IN_ONESHOT);
}

static volatile int noted, noted_fd, noted_code;
static void on_note(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  noted++;
  noted_fd = info->si_fd;
  noted_code = info->si_code;
}
// F_NOTIFY: one signal, or with DN_MULTISHOT one for each event, about the entries of a directory.
CASE(dnotify) {
  NEED(mkdir("d", 0700));
  NEED(mkdir("e", 0700));
  struct sigaction sa = {.sa_sigaction = on_note, .sa_flags = SA_SIGINFO};
  sigaction(SIGRTMIN, &sa, 0);
  int dir = NEED(open("d", O_RDONLY)), file = NEED(open("f", O_CREAT | O_RDWR, 0600));
  CALL(fcntl(dir, F_SETSIG, SIGRTMIN));
  CALL(fcntl(file, F_NOTIFY, DN_CREATE));
  CALL(fcntl(dir, F_NOTIFY, DN_CREATE));
  make_file("d/a", "", 0600);
  make_file("d/b", "", 0600);
  VAL(noted);
  YES(noted_fd == dir);
  VAL(noted_code);
  CALL(fcntl(dir, F_NOTIFY, DN_RENAME | DN_MULTISHOT));
  rename("d/a", "e/a");
  rename("e/a", "d/a");
  VAL(noted);
  rename("d/a", "d/c");
  VAL(noted);
  CALL(fcntl(dir, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
  int fd = NEED(open("d/c", O_RDWR));
  NEED(write(fd, "x", 1));
  NEED(ftruncate(fd, 0));
  VAL(noted);
  CALL(fcntl(dir, F_NOTIFY, 0));
  NEED(write(fd, "x", 1));
  VAL(noted);
}
