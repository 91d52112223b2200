// SPDX-License-Identifier: Apache-2.0
// fanotify(7) with descriptors: marks on files, directories, mounts and filesystems, ignore masks, merging.
#include "case.h"
#include <sys/fanotify.h>
#include <sys/mount.h>

static int group(unsigned flags) { return NEED(fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK | flags, O_RDONLY | O_CLOEXEC)); }

static void say_mask(char *text, unsigned long mask) {
  static const struct { unsigned long bit; const char *name; } names[] = {
    {FAN_ACCESS, "access"}, {FAN_MODIFY, "modify"}, {FAN_CLOSE_WRITE, "close_write"}, {FAN_CLOSE_NOWRITE, "close_nowrite"},
    {FAN_OPEN, "open"}, {FAN_OPEN_EXEC, "open_exec"}, {FAN_Q_OVERFLOW, "overflow"}, {FAN_ONDIR, "ondir"}};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (mask & names[i].bit) sprintf(text + strlen(text), " %s", names[i].name), mask &= ~names[i].bit;
  if (mask) sprintf(text + strlen(text), " %#lx", mask);
}

// Prints what there is to read.
static void events(int fd) {
  char buffer[4096];
  long n = read(fd, buffer, sizeof buffer);
  if (n < 0) {
    say("no events: %s", errno_name(errno));
    return;
  }
  struct fanotify_event_metadata *event = (void *)buffer;
  for (; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
    char link[PATH_MAX] = "", path[64], text[256] = "";
    sprintf(path, "/proc/self/fd/%d", event->fd);
    if (event->fd >= 0) readlink(path, link, sizeof link - 1);
    say_mask(text, event->mask);
    char *name = strrchr(link, '/');
    say("%s:%s; version %d length %d, by %s", name ? name + 1 : "-", text, event->vers, (int)event->event_len, event->pid == getpid() ? "me" : "another");
    if (event->fd >= 0) {
      if (fcntl(event->fd, F_GETFD) != FD_CLOEXEC) say("not close-on-exec");
      char byte;
      read(event->fd, &byte, 1);
      close(event->fd);
    }
  }
}

static void use(const char *path, int flags) {
  int fd = NEED(open(path, flags, 0644));
  char byte = 'x';
  if ((flags & O_ACCMODE) != O_RDONLY) write(fd, &byte, 1);
  else read(fd, &byte, 1);
  close(fd);
}

CASE(fanotify_init_errors) {
  CALL(fanotify_init(0x80000000, O_RDONLY));
  CALL(fanotify_init(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, O_RDONLY));
  CALL(fanotify_init(0, O_ACCMODE));
  CALL(fanotify_init(0, O_RDONLY | O_DIRECTORY));
  CALL(fanotify_init(0, O_RDONLY | O_TRUNC));
  int fd = OK(fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK, O_RDWR | O_LARGEFILE | O_APPEND));
  VAL(fcntl(fd, F_GETFD));
  OCT(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
  char link[64] = "", path[64];
  sprintf(path, "/proc/self/fd/%d", fd);
  readlink(path, link, 63);
  STR(link);
  char byte;
  CALL(read(fd, &byte, 1));
  CALL(read(fd, BAD_POINTER, 100));
  become(65534);
  CALL(fanotify_init(0, O_RDONLY));
}

CASE(fanotify_mark_errors) {
  int fd = group(0);
  make_file("file", "text", 0644);
  symlink("file", "link");
  CALL(fanotify_mark(-1, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "file"));
  CALL(fanotify_mark(0, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, 0, FAN_OPEN, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, 0, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, 1ul << 40, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, "."));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_ATTRIB, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM | 0x1000, FAN_OPEN, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "none"));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, 0));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, 77, 0));
  CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_FLUSH | FAN_MARK_DONT_FOLLOW, 0, AT_FDCWD, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_FLUSH, 0, AT_FDCWD, 0));
  CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, FAN_OPEN, AT_FDCWD, "link"));
  int dir = open(".", O_RDONLY | O_DIRECTORY);
  CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, dir, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_REMOVE, FAN_OPEN, dir, "file"));
  CALL(fanotify_mark(fd, FAN_MARK_REMOVE, FAN_OPEN, dir, "file"));
  int pipes[2];
  NEED(pipe(pipes));
  CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, pipes[0], 0));
  CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, pipes[0], 0));
}

CASE(fanotify_file) {
  int fd = group(0);
  make_file("file", "text", 0644);
  make_file("other", "text", 0644);
  NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_ACCESS | FAN_MODIFY | FAN_CLOSE | FAN_OPEN, AT_FDCWD, "file"));
  events(fd);
  use("file", O_RDONLY);
  events(fd);
  use("file", O_WRONLY);
  use("other", O_WRONLY);
  events(fd);
  int opened = open("file", O_RDWR);
  events(fd);
  write(opened, "x", 1);
  events(fd);
  pread(opened, &(char){0}, 1, 0);
  events(fd);
  close(opened);
  events(fd);
  CHILD(use("file", O_RDONLY));
  events(fd);
  unlink("file");
  events(fd);
  struct pollfd ready = {fd, POLLIN, 0};
  CALL(poll(&ready, 1, 0));
}

CASE(fanotify_directory) {
  int fd = group(0);
  mkdir("dir", 0755);
  make_file("dir/file", "text", 0644);
  mkdir("dir/sub", 0755);
  NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE | FAN_ACCESS, AT_FDCWD, "dir"));
  use("dir/file", O_RDONLY);
  close(open("dir", O_RDONLY | O_DIRECTORY));
  events(fd);
  NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_EVENT_ON_CHILD, AT_FDCWD, "dir"));
  use("dir/file", O_RDONLY);
  close(open("dir/sub", O_RDONLY));
  events(fd);
  NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_ONDIR, AT_FDCWD, "dir"));
  close(open("dir/sub", O_RDONLY));
  close(open("dir", O_RDONLY));
  events(fd);
}

CASE(fanotify_mount_and_filesystem) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
  mkdir("one", 0755);
  mkdir("two", 0755);
  NEED(mount("tmpfs", "one", "tmpfs", 0, 0));
  NEED(mount("one", "two", 0, MS_BIND, 0));
  make_file("one/file", "text", 0644);
  int by_mount = group(0), by_fs = group(0);
  NEED(fanotify_mark(by_mount, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN | FAN_CLOSE, AT_FDCWD, "one"));
  NEED(fanotify_mark(by_fs, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN | FAN_CLOSE, AT_FDCWD, "one"));
  use("one/file", O_RDONLY);
  events(by_mount);
  events(by_fs);
  use("two/file", O_RDONLY);
  events(by_mount);
  events(by_fs);
  CALL(fanotify_mark(by_fs, FAN_MARK_FLUSH, 0, AT_FDCWD, 0));
  use("two/file", O_WRONLY);
  events(by_fs);
  CALL(fanotify_mark(by_fs, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, 0));
  use("two/file", O_WRONLY);
  events(by_fs);
  CALL(fanotify_mark(by_mount, FAN_MARK_REMOVE | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "one"));
  use("one/file", O_RDONLY);
  events(by_mount);
}

CASE(fanotify_ignored) {
  int fd = group(0);
  make_file("file", "text", 0644);
  NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE | FAN_MODIFY, AT_FDCWD, "file"));
  NEED(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, AT_FDCWD, "file"));
  use("file", O_RDONLY);
  events(fd);
  use("file", O_WRONLY);
  events(fd);
  use("file", O_RDONLY);
  events(fd);
  NEED(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN, AT_FDCWD, "file"));
  use("file", O_WRONLY);
  use("file", O_RDONLY);
  events(fd);
  CALL(fanotify_mark(fd, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, FAN_OPEN, AT_FDCWD, "file"));
  use("file", O_RDONLY);
  events(fd);
}

HELPER(fanotify_executed) {
  (void)argc, (void)argv, (void)envp;
  return 0;
}

CASE(fanotify_open_exec) {
  int fd = group(0);
  NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_OPEN_EXEC, AT_FDCWD, "/proc/self/exe"));
  CHILD(execl("/proc/self/exe", "driver", "--helper", "fanotify_executed", (char *)0));
  char buffer[256];
  struct fanotify_event_metadata *event = (void *)buffer;
  CALL(read(fd, buffer, 24));
  YES(event->mask == (FAN_OPEN | FAN_OPEN_EXEC));
}

CASE(fanotify_small_reads_and_order) {
  int fd = group(0);
  char name[8] = "a";
  for (; name[0] < 'e'; name[0]++) {
    make_file(name, "text", 0644);
    NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, name));
  }
  for (name[0] = 'd'; name[0] >= 'a'; name[0]--) use(name, O_RDONLY);
  use("d", O_RDONLY);
  char buffer[100];
  CALL(read(fd, buffer, 23));
  CALL(read(fd, buffer, 60));
  events(fd);
}

CASE(fanotify_blocking_read) {
  int fd = NEED(fanotify_init(0, O_RDONLY | O_CLOEXEC));
  make_file("file", "text", 0644);
  NEED(fanotify_mark(fd, FAN_MARK_ADD, FAN_CLOSE_WRITE, AT_FDCWD, "file"));
  pid_t child = fork();
  if (child == 0) {
    usleep(20000);
    use("file", O_WRONLY);
    _exit(0);
  }
  events(fd);
  waitpid(child, 0, 0);
}
