// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/ioctl.h>
#include <termios.h>

static int open_pair(int *slave) {
  int n, zero = 0;
  char path[64];
  int m = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
  NEED(ioctl(m, TIOCSPTLCK, &zero));
  NEED(ioctl(m, TIOCGPTN, &n));
  sprintf(path, "/dev/pts/%d", n);
  *slave = NEED(open(path, O_RDWR | O_NOCTTY));
  return m;
}
CASE(pty_cooked) {
  int s, m = open_pair(&s);
  char b[64] = {0};
  CALL(write(m, "hello\n", 6));
  CALL(read(s, b, 64));
  BYTES(b, 6);
  CALL(read(m, b, 64));
  BYTES(b, 7);
  CALL(write(s, "out\n", 4));
  CALL(read(m, b, 64));
  BYTES(b, 5);
  CALL(write(m, "ab\x7f" "c\n", 5));
  CALL(read(s, b, 64));
  BYTES(b, 3);
  CALL(isatty(s));
  CALL(isatty(m));
}
CASE(pty_raw) {
  int s, m = open_pair(&s);
  char b[64] = {0};
  struct termios t;
  CALL(tcgetattr(s, &t));
  cfmakeraw(&t);
  CALL(tcsetattr(s, TCSANOW, &t));
  CALL(write(m, "a\x03\n", 3));
  CALL(read(s, b, 64));
  BYTES(b, 3);
  CALL(write(s, "x\n", 2));
  CALL(read(m, b, 64));
  BYTES(b, 2);
}
CASE(pty_window_and_hangup) {
  int s, m = open_pair(&s);
  char b[8];
  struct winsize w = {24, 80}, g;
  CALL(ioctl(m, TIOCSWINSZ, &w));
  CALL(ioctl(s, TIOCGWINSZ, &g));
  say("%d %d", g.ws_row, g.ws_col);
  close(m);
  CALL(read(s, b, 8));
  CALL(write(s, "x", 1));
}
CASE(pty_session_signals) {
  int s, m = open_pair(&s), st;
  pid_t c = fork();
  if (c == 0) {
    setsid();
    CALL(ioctl(s, TIOCSCTTY, 0));
    YES(tcgetpgrp(s) == getpgrp());
    OK(open("/dev/tty", O_RDWR));
    write(s, "R", 1);
    for (;;) pause();
  }
  char b[8];
  read(m, b, 1);
  CALL(write(m, "\x03", 1));
  report_end("child", c);
}
