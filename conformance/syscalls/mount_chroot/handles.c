// SPDX-License-Identifier: Apache-2.0
// name_to_handle_at(2) and open_by_handle_at(2) on a tmpfs.
#include "case.h"
#include <sys/mount.h>

union any_handle { struct file_handle h; char bytes[256]; };

static void own_tmpfs(void) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
  mkdir("m", 0755);
  NEED(mount("tmpfs", "m", "tmpfs", 0, 0));
  NEED(chdir("m"));
  make_file("file", "content", 0600);
  mkdir("dir", 0755);
  make_file("dir/below", "deep", 0644);
  symlink("file", "link");
}

CASE(handles_sizes_and_errors) {
  own_tmpfs();
  union any_handle u;
  int id;
  static const unsigned rooms[] = {0, 4, 11, 12, 16, 128, 129};
  for (unsigned i = 0; i < sizeof rooms / sizeof *rooms; i++) {
    memset(&u, 0xee, sizeof u);
    u.h.handle_bytes = rooms[i];
    CALL(name_to_handle_at(AT_FDCWD, "file", &u.h, &id, 0));
    VAL(u.h.handle_bytes);
    if (rooms[i] <= 128) VAL(u.h.handle_type);
  }
  u.h.handle_bytes = 12;
  CALL(name_to_handle_at(AT_FDCWD, "file", &u.h, &id, 0x10));
  CALL(name_to_handle_at(AT_FDCWD, "none", &u.h, &id, 0));
  CALL(name_to_handle_at(AT_FDCWD, "", &u.h, &id, 0));
  CALL(name_to_handle_at(AT_FDCWD, "file", BAD_POINTER, &id, 0));
  CALL(name_to_handle_at(AT_FDCWD, "file", &u.h, BAD_POINTER, 0));
  CALL(name_to_handle_at(AT_FDCWD, "/proc/self/stat", &u.h, &id, 0));
  int fd = open("file", O_RDONLY);
  CALL(name_to_handle_at(fd, "", &u.h, &id, AT_EMPTY_PATH));
  CALL(open_by_handle_at(99, &u.h, O_RDONLY));
  CALL(open_by_handle_at(fd, BAD_POINTER, O_RDONLY));
  u.h.handle_bytes = 0;
  CALL(open_by_handle_at(fd, &u.h, O_RDONLY));
  u.h.handle_bytes = 129;
  CALL(open_by_handle_at(fd, &u.h, O_RDONLY));
  u.h.handle_bytes = 12;
  u.h.handle_type = -1;
  CALL(open_by_handle_at(fd, &u.h, O_RDONLY));
  become(65534);
  CALL(open_by_handle_at(fd, &u.h, O_RDONLY));
}

static void reopen(int mount_fd, const char *path, int at_flags, int flags) {
  union any_handle u;
  int id;
  struct stat expected, found;
  u.h.handle_bytes = 128;
  NEED(name_to_handle_at(AT_FDCWD, path, &u.h, &id, at_flags));
  NEED(fstatat(AT_FDCWD, path, &expected, at_flags ? 0 : AT_SYMLINK_NOFOLLOW));
  int fd = OK(open_by_handle_at(mount_fd, &u.h, flags));
  if (fd < 0) return;
  NEED(fstat(fd, &found));
  say("%s: %s", path, expected.st_ino == found.st_ino ? "same file" : "another file");
  OCT(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
  VAL(fcntl(fd, F_GETFD));
  close(fd);
}

CASE(handles_open) {
  own_tmpfs();
  int root = open(".", O_RDONLY), other = open("dir/below", O_RDONLY);
  reopen(root, "file", 0, O_RDONLY);
  reopen(other, "file", 0, O_RDWR | O_CLOEXEC | O_APPEND);
  reopen(AT_FDCWD, "dir", 0, O_RDONLY | O_DIRECTORY);
  reopen(root, ".", 0, O_RDONLY);
  reopen(root, "dir/below", 0, O_PATH);
  reopen(root, "dir/below", 0, O_RDONLY | O_DIRECTORY);
  reopen(root, "dir", 0, O_WRONLY);
  reopen(root, "link", 0, O_RDONLY);
  reopen(root, "link", 0, O_PATH);
  reopen(root, "link", AT_SYMLINK_FOLLOW, O_RDONLY);
  union any_handle u;
  int id;
  u.h.handle_bytes = 128;
  NEED(name_to_handle_at(AT_FDCWD, "dir/below", &u.h, &id, 0));
  NEED(rename("dir/below", "moved"));
  int fd = OK(open_by_handle_at(root, &u.h, O_RDONLY));
  char text[5] = "";
  CALL(read(fd, text, 4));
  STR(text);
  close(fd);
  close(other);
  NEED(unlink("moved"));
  CALL(open_by_handle_at(root, &u.h, O_RDONLY));
}
