// SPDX-License-Identifier: Apache-2.0
// Prints what inotify tells of its arguments until one of them is removed: `watch_paths PATH...`.
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char buffer[4096] __attribute__((aligned(8)));
  int fd = inotify_init1(0);
  setvbuf(stdout, 0, _IOLBF, 0);
  for (int i = 1; i < argc; i++) inotify_add_watch(fd, argv[i], IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE));
  puts("watching");
  for (;;) {
    long n = read(fd, buffer, sizeof buffer);
    for (char *at = buffer; at < buffer + n;) {
      struct inotify_event *event = (void *)at;
      printf("%d %x %s%s\n", event->wd, event->mask, event->len ? event->name : "", event->cookie ? " with a cookie" : "");
      if (event->mask & IN_IGNORED) return 0;
      at += sizeof *event + event->len;
    }
  }
}
