// SPDX-License-Identifier: Apache-2.0
// Terminals and jobs: who may read and write, who is stopped, what a hangup ends; packet mode; wrong arguments.
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
static void raw(int fd) {
  struct termios t;
  NEED(tcgetattr(fd, &t));
  cfmakeraw(&t);
  NEED(tcsetattr(fd, TCSANOW, &t));
}
// Runs `body` in a session of its own that has the terminal, and prints how it ended.
#define SESSION(slave, ...)                       \
  ({                                              \
    pid_t c_ = fork();                            \
    if (c_ == 0) {                                \
      setsid();                                   \
      NEED(ioctl(slave, TIOCSCTTY, 0));           \
      __VA_ARGS__;                                \
      _exit(0);                                   \
    }                                             \
    report_end("session", c_);                    \
  })
static void how(const char *what, pid_t c) {
  int st;
  NEED(waitpid(c, &st, WUNTRACED));
  if (WIFSTOPPED(st)) say("%s: stopped by %s", what, signal_name(WSTOPSIG(st)));
  else if (WIFSIGNALED(st)) say("%s: killed by %s", what, signal_name(WTERMSIG(st)));
  else say("%s: exit %d", what, WEXITSTATUS(st));
}
static pid_t job(int background, void (*run)(int), int s) {
  pid_t c = fork();
  if (c == 0) {
    setpgid(0, 0);
    if (!background) signal(SIGTTOU, SIG_IGN), tcsetpgrp(s, getpid()), signal(SIGTTOU, SIG_DFL);
    run(s);
    _exit(0);
  }
  setpgid(c, c);
  return c;
}
static void reads(int s) {
  char b[4];
  _exit(read(s, b, 4) < 0 ? errno : 100);
}
static void writes(int s) { _exit(write(s, "w", 1) < 0 ? errno : 100); }
static void sets(int s) {
  struct termios t;
  tcgetattr(s, &t);
  _exit(tcsetattr(s, TCSANOW, &t) < 0 ? errno : 100);
}
static void sets_group(int s) { _exit(tcsetpgrp(s, getpgrp()) < 0 ? errno : 100); }
static void ends(const char *what, pid_t c) {
  how(what, c);
  kill(c, SIGKILL);
  waitpid(c, 0, 0);
}
CASE(background_jobs) {
  int s, m = open_pair(&s);
  SESSION(s, {
    struct termios t;
    ends("read", job(1, reads, s));
    ends("write", job(1, writes, s));
    ends("tcsetattr", job(1, sets, s));
    ends("tcsetpgrp", job(1, sets_group, s));
    NEED(tcgetattr(s, &t));
    t.c_lflag |= TOSTOP;
    NEED(tcsetattr(s, TCSANOW, &t));
    ends("write with TOSTOP", job(1, writes, s));
    signal(SIGTTIN, SIG_IGN);
    ends("read, SIGTTIN ignored", job(1, reads, s));
    signal(SIGTTOU, SIG_IGN);
    ends("write, SIGTTOU ignored", job(1, writes, s));
    ends("tcsetattr, SIGTTOU ignored", job(1, sets, s));
    signal(SIGTTIN, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTTIN);
    sigprocmask(SIG_BLOCK, &set, 0);
    ends("read, SIGTTIN blocked", job(1, reads, s));
  });
  close(m);
}
static void orphan_body(int s) {
  // The job's leader has a parent in another session's group only: nobody could continue it.
  int p[2];
  NEED(pipe(p));
  if (fork() == 0) {
    if (fork() == 0) {
      char b[4];
      sleep_ms(30);
      errno = 0;
      long r = read(s, b, 4);
      say("orphan reads: %s", r < 0 ? errno_name(errno) : "something");
      errno = 0;
      r = tcsetpgrp(s, getpgrp());
      say("orphan takes the terminal: %s", r < 0 ? errno_name(errno) : "ok");
      kill(getpid(), SIGTSTP);
      say("not stopped by SIGTSTP");
      write(p[1], "x", 1);
      _exit(0);
    }
    _exit(0);
  }
  char b;
  wait(0);
  close(p[1]);
  read(p[0], &b, 1);
}
static void orphan(int s) {
  setpgid(0, 0);
  if (fork() == 0) {
    setpgid(0, 0);
    orphan_body(s);
    _exit(0);
  }
  _exit(0);
}
CASE(orphaned_background_job) {
  int s, m = open_pair(&s);
  SESSION(s, {
    pid_t c = fork();
    if (c == 0) orphan(s);
    waitpid(c, 0, 0);
    sleep_ms(300);
  });
  close(m);
}
CASE(orphaned_stopped_group_is_told) {
  int p[2];
  char b[3] = "";
  NEED(pipe(p));
  pid_t c = fork();
  if (c == 0) {
    setsid();
    pid_t d = fork();
    if (d == 0) {
      setpgid(0, 0);
      pid_t e = fork();
      if (e == 0) {
        sigset_t set;
        int got;
        sigemptyset(&set), sigaddset(&set, SIGHUP), sigaddset(&set, SIGCONT);
        sigprocmask(SIG_BLOCK, &set, 0);
        write(p[1], "r", 1);
        kill(getpid(), SIGSTOP);
        sigwait(&set, &got);
        say("got %s", signal_name(got));
        sigwait(&set, &got);
        say("got %s", signal_name(got));
        write(p[1], "d", 1);
        _exit(0);
      }
      int st;
      waitpid(e, &st, WUNTRACED);
      _exit(0);
    }
    waitpid(d, 0, 0);
    _exit(0);
  }
  close(p[1]);
  while (read(p[0], b, 1) == 1)
    ;
  report_end("session", c);
}
static int pipe_fd;
static volatile int told;
static void tells(int signal) {
  told = 1;
  const char *n = signal_name(signal);
  write(pipe_fd, n, strlen(n));
  write(pipe_fd, " ", 1);
}
CASE(hangup_of_the_master) {
  int s, m = open_pair(&s), p[2], ready[2];
  char b[64] = "";
  NEED(pipe(p));
  NEED(pipe(ready));
  pipe_fd = p[1];
  pid_t c = fork();
  if (c == 0) {
    close(m);
    setsid();
    NEED(ioctl(s, TIOCSCTTY, 0));
    signal(SIGHUP, tells);
    write(ready[1], "x", 1);
    while (!told) sleep_ms(1);
    char d[8];
    errno = 0;
    long r = read(s, d, 8);
    say("read %ld %s", r, r < 0 ? errno_name(errno) : "");
    errno = 0;
    r = write(s, d, 1);
    say("write %ld %s", r, r < 0 ? errno_name(errno) : "");
    struct termios t;
    errno = 0;
    int got = tcgetattr(s, &t);
    say("tcgetattr %d %s", got, errno_name(errno));
    errno = 0;
    say("open /dev/tty %s", open("/dev/tty", O_RDWR) < 0 ? errno_name(errno) : "ok");
    struct pollfd f = {.fd = s, .events = POLLIN | POLLOUT};
    say("poll %d %x", poll(&f, 1, 0), f.revents);
    _exit(0);
  }
  read(ready[0], b, 1);
  close(s);
  close(m);
  report_end("session leader", c);
  close(p[1]);
  memset(b, 0, sizeof b);
  read(p[0], b, 63);
  STR(b);
}
CASE(hangup_when_the_leader_ends) {
  int s, m = open_pair(&s), p[2];
  char b[64] = "";
  NEED(pipe(p));
  pipe_fd = p[1];
  pid_t c = fork();
  if (c == 0) {
    setsid();
    NEED(ioctl(s, TIOCSCTTY, 0));
    int ready[2];
    NEED(pipe(ready));
    if (fork() == 0) {
      signal(SIGHUP, tells);
      write(ready[1], "x", 1);
      while (!told) sleep_ms(1);
      fcntl(s, F_SETFL, O_NONBLOCK);
      errno = 0;
      long r = read(s, b, 8);
      say("read %ld %s", r, r < 0 ? errno_name(errno) : "");
      errno = 0;
      say("open /dev/tty %s", open("/dev/tty", O_RDWR) < 0 ? errno_name(errno) : "ok");
      _exit(0);
    }
    read(ready[0], b, 1);
    _exit(0);
  }
  close(p[1]);
  close(s);
  long n = 0, r;
  while ((r = read(p[0], b + n, 63 - n)) > 0) n += r;
  b[n] = 0;
  STR(b);
  report_end("leader", c);
  errno = 0;
  r = read(m, b, 8);
  say("master reads %ld %s", r, r < 0 ? errno_name(errno) : "");
}
CASE(packet_mode) {
  int s, m = open_pair(&s), on = 1, v = -1;
  char b[64];
  struct termios t;
  CALL(ioctl(m, TIOCPKT, BAD_POINTER));
  CALL(ioctl(s, TIOCPKT, &on));
  CALL(ioctl(m, TIOCPKT, &on));
  CALL(ioctl(m, TIOCGPKT, &v));
  VAL(v);
  NEED(write(s, "ab", 2));
  CALL(read(m, b, 64));
  BYTES(b, 3);
  NEED(write(s, "xyz", 3));
  CALL(read(m, b, 1));
  BYTES(b, 1);
  CALL(read(m, b, 2));
  BYTES(b, 2);
  CALL(read(m, b, 64));
  BYTES(b, 3);
  struct pollfd f = {.fd = m, .events = POLLIN | POLLPRI};
  CALL(tcflush(s, TCIFLUSH));
  VAL(poll(&f, 1, 0));
  VAL(f.revents);
  CALL(read(m, b, 64));
  BYTES(b, 1);
  CALL(tcflush(s, TCOFLUSH));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  CALL(tcflush(s, TCIOFLUSH));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  CALL(tcflow(s, TCOOFF));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  CALL(tcflow(s, TCOON));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  tcgetattr(s, &t);
  t.c_iflag &= ~IXON;
  CALL(tcsetattr(s, TCSANOW, &t));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  t.c_iflag |= IXON;
  CALL(tcsetattr(s, TCSANOW, &t));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  on = 0;
  CALL(ioctl(m, TIOCPKT, &on));
  NEED(write(s, "q", 1));
  CALL(read(m, b, 64));
}
CASE(flow_control) {
  int s, m = open_pair(&s);
  char b[64];
  struct pollfd f = {.fd = m, .events = POLLIN};
  NEED(write(m, "\x13", 1));
  sleep_ms(30);
  fcntl(s, F_SETFL, O_NONBLOCK);
  CALL(write(s, "held", 4));
  VAL(poll(&f, 1, 20));
  NEED(write(m, "\x11", 1));
  sleep_ms(30);
  CALL(write(s, "sent", 4));
  CALL(read(m, b, 64));
  BYTES(b, 4);
  CALL(tcflow(s, TCOOFF));
  CALL(write(s, "x", 1));
  CALL(tcflow(s, TCOON));
  CALL(tcflow(s, TCIOFF));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  CALL(tcflow(s, TCION));
  CALL(read(m, b, 64));
  BYTES(b, 1);
  CALL(tcflow(s, 99));
  CALL(tcflush(s, 99));
  CALL(ioctl(s, TCFLSH, -1));
  CALL(tcsendbreak(s, 0));
  CALL(tcdrain(s));
}
CASE(bad_termios) {
  int s, m = open_pair(&s), p[2], v = 1;
  static const unsigned long calls[] = {TCGETS, TCSETS, TCSETSW, TCSETSF, TCGETA, TCSETA, TCSETAW, TCSETAF, 0x802c542a, 0x402c542b, TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP, TIOCGSID,
    TIOCOUTQ, FIONREAD, TIOCGETD, TIOCSETD, TIOCGLCKTRMIOS, TIOCSLCKTRMIOS, TIOCMGET, TIOCMSET, TIOCGSERIAL, TIOCSTI, TIOCLINUX, TIOCCONS, TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK, TIOCGPTPEER, TIOCGEXCL, TIOCSIG, TIOCVHANGUP, TIOCNOTTY, TIOCGSOFTCAR, TIOCSSOFTCAR, FIOASYNC, FIONBIO};
  NEED(pipe(p));
  for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (calls[i] == TIOCVHANGUP || calls[i] == TIOCCONS || calls[i] == TIOCGSERIAL) continue;
    errno = 0;
    int a = ioctl(s, calls[i], BAD_POINTER), ae = errno;
    errno = 0;
    int b = ioctl(m, calls[i], KERNEL_POINTER), be = errno;
    errno = 0;
    int c = ioctl(p[0], calls[i], BAD_POINTER), ce = errno;
    say("%lx: %s %s %s", calls[i], a < 0 ? errno_name(ae) : "ok", b < 0 ? errno_name(be) : "ok", c < 0 ? errno_name(ce) : "ok");
    if (calls[i] == TIOCGPTPEER && b >= 0) close(b);
  }
  fcntl(s, F_SETFL, 0);
  fcntl(m, F_SETFL, 0);
  v = 5;
  CALL(ioctl(s, TIOCSETD, &v));
  v = 9999;
  CALL(ioctl(s, TIOCSETD, &v));
  v = -1;
  CALL(ioctl(s, TIOCSPGRP, &v));
  CALL(ioctl(m, TIOCSIG, 9));
  CALL(ioctl(m, TIOCSIG, 0));
  CALL(ioctl(m, TIOCSIG, 65));
  CALL(ioctl(s, TIOCSIG, SIGINT));
  CALL(ioctl(s, 0x12345678, 0));
  CALL(ioctl(s, 0x5499, 0));
}
CASE(wild_termios_values) {
  int s, m = open_pair(&s);
  struct termios t, g;
  memset(&t, 0xff, sizeof t);
  CALL(ioctl(s, TCSETS, &t));
  memset(&g, 0, sizeof g);
  CALL(ioctl(s, TCGETS, &g));
  say("%x %x %x %x line %d", g.c_iflag, g.c_oflag, g.c_cflag, g.c_lflag, g.c_line);
  BYTES(g.c_cc, 19);
  fcntl(m, F_SETFL, O_NONBLOCK);
  fcntl(s, F_SETFL, O_NONBLOCK);
  char b[256];
  for (int i = 0; i < 256; i++) b[i] = i;
  OK(write(m, b, 256));
  while (read(m, b, 256) > 0)
    ;
  while (read(s, b, 256) > 0)
    ;
  memset(&t, 0, sizeof t);
  CALL(ioctl(s, TCSETS, &t));
  CALL(ioctl(s, TCGETS, &g));
  say("%x %x %x %x line %d", g.c_iflag, g.c_oflag, g.c_cflag, g.c_lflag, g.c_line);
  CALL(write(m, "abc", 3));
  CALL(read(s, b, 0));
  CALL(read(s, b, 8));
}
CASE(every_flag_is_kept) {
  int s, m = open_pair(&s);
  struct termios t, g, before;
  NEED(tcgetattr(s, &before));
  for (int field = 0; field < 4; field++) {
    unsigned kept = 0;
    for (int bit = 0; bit < 32; bit++) {
      t = before;
      unsigned *f = field == 0 ? &t.c_iflag : field == 1 ? &t.c_oflag : field == 2 ? &t.c_cflag : &t.c_lflag;
      if (field == 2 && ((1u << bit) & (CBAUD | CBAUDEX | 0x100f0000))) continue;
      *f ^= 1u << bit;
      ioctl(s, TCSETS, &t);
      ioctl(s, TCGETS, &g);
      unsigned *h = field == 0 ? &g.c_iflag : field == 1 ? &g.c_oflag : field == 2 ? &g.c_cflag : &g.c_lflag;
      if (*h == *f) kept |= 1u << bit;
    }
    say("field %d: kept %x", field, kept);
  }
  close(m);
}
CASE(controlling_terminal_rules) {
  int s, m = open_pair(&s), s2, m2 = open_pair(&s2);
  CALL(ioctl(s, TIOCGSID, &m));
  SESSION(s, {
    CALL(ioctl(s, TIOCSCTTY, 0));
    CALL(ioctl(s2, TIOCSCTTY, 0));
    CALL(tcsetpgrp(s2, getpgrp()));
    CALL(tcsetpgrp(s, 1));
    CALL(tcsetpgrp(s, 99999));
    CALL(tcsetpgrp(s, -5));
    YES(tcgetsid(s) == getpid());
    CALL(tcgetsid(s2));
    CALL(tcgetpgrp(s2));
    if (fork() == 0) {
      setsid();
      CALL(ioctl(s, TIOCSCTTY, 0));
      CALL(open("/dev/tty", O_RDWR));
      OK(open(ttyname(s2), O_RDWR));
      OK(open("/dev/tty", O_RDWR));
      _exit(0);
    }
    wait(0);
    signal(SIGHUP, SIG_IGN);
    CALL(ioctl(s, TIOCNOTTY));
    CALL(open("/dev/tty", O_RDWR));
    CALL(ioctl(s, TIOCNOTTY));
  });
  close(m2);
}
CASE(signal_keys_flush_and_noflsh) {
  int s, m = open_pair(&s);
  char b[64];
  SESSION(s, {
    struct termios t;
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    NEED(write(m, "lost\x03kept\n", 10));
    long n = read(s, b, 64);
    BYTES(b, n);
    tcgetattr(s, &t);
    t.c_lflag |= NOFLSH;
    tcsetattr(s, TCSANOW, &t);
    NEED(write(m, "one\x1ctwo\n", 8));
    n = read(s, b, 64);
    BYTES(b, n);
    t.c_lflag &= ~(ICANON | ISIG);
    t.c_cc[VMIN] = 0, t.c_cc[VTIME] = 0;
    tcsetattr(s, TCSANOW, &t);
    CALL(read(s, b, 64));
    t.c_cc[VTIME] = 1;
    tcsetattr(s, TCSANOW, &t);
    CALL(read(s, b, 64));
    t.c_cc[VMIN] = 3;
    tcsetattr(s, TCSANOW, &t);
    NEED(write(m, "ab", 2));
    CALL(read(s, b, 64));
    NEED(write(m, "abcd", 4));
    CALL(read(s, b, 2));
    CALL(read(s, b, 64));
    t.c_cc[VTIME] = 0;
    tcsetattr(s, TCSANOW, &t);
    fcntl(s, F_SETFL, O_NONBLOCK);
    NEED(write(m, "q", 1));
    CALL(read(s, b, 64));
    CALL(read(s, b, 64));
  });
  CALL(read(m, b, 64));
}
CASE(line_that_is_too_long) {
  static char big[10000], back[10000];
  int s, m = open_pair(&s);
  struct termios t;
  memset(big, 'l', sizeof big);
  tcgetattr(s, &t);
  t.c_lflag &= ~ECHO;
  tcsetattr(s, TCSANOW, &t);
  fcntl(m, F_SETFL, O_NONBLOCK);
  fcntl(s, F_SETFL, O_NONBLOCK);
  long total = 0, n;
  for (int i = 0; i < 2000 && total < 6000; i++) {
    n = write(m, big, 1000);
    if (n > 0) total += n;
    else sleep_ms(2);
  }
  say("all taken: %d", total == 6000);
  CALL(read(s, back, sizeof back));
  NEED(write(m, "\n", 1));
  for (int i = 0; i < 50; i++) {
    n = read(s, back, sizeof back);
    if (n > 0) break;
    sleep_ms(5);
  }
  VAL(n);
  VAL(back[n - 1]);
}
CASE(master_that_never_reads) {
  static char big[65536];
  int s, m = open_pair(&s);
  raw(s);
  fcntl(s, F_SETFL, O_NONBLOCK);
  fcntl(m, F_SETFL, O_NONBLOCK);
  long total = 0, n;
  for (int i = 0; i < 1000 && (n = write(s, big, sizeof big)) > 0; i++) total += n;
  say("%s, bounded %d", n < 0 ? errno_name(errno) : "went on", total < 1 << 20);
  for (total = 0; total < 1 << 24 && (n = write(m, big, sizeof big)) > 0;) total += n;
  say("%s, bounded %d", n < 0 ? errno_name(errno) : "went on", total < 1 << 20);
  struct pollfd f = {.fd = s, .events = POLLOUT};
  while ((n = read(m, big, sizeof big)) > 0)
    ;
  VAL(poll(&f, 1, 1000));
}

CASE(reads_of_several_bytes) {
  int s, m = open_pair(&s), st;
  char b[64];
  struct termios t;
  raw(s);
  tcgetattr(s, &t);
  t.c_cc[VMIN] = 5;
  tcsetattr(s, TCSANOW, &t);
  struct pollfd f = {.fd = s, .events = POLLIN};
  NEED(write(m, "abc", 3));
  sleep_ms(30);
  VAL(poll(&f, 1, 0));
  CALL(read(s, b, 2));
  pid_t c = fork();
  if (c == 0) {
    sleep_ms(50);
    write(m, "de", 2);
    sleep_ms(50);
    write(m, "fgh", 3);
    _exit(0);
  }
  CALL(read(s, b, 64));
  BYTES(b, 6);
  waitpid(c, &st, 0);
  CALL(write(m, "12345", 5));
  sleep_ms(30);
  VAL(poll(&f, 1, 0));
  t.c_cc[VTIME] = 2;
  tcsetattr(s, TCSANOW, &t);
  CALL(read(s, b, 64));
  NEED(write(m, "1", 1));
  sleep_ms(30);
  VAL(poll(&f, 1, 0));
  long long before = now_ms();
  CALL(read(s, b, 64));
  say("waited %d", now_ms() - before >= 150);
  t.c_cc[VMIN] = 0;
  tcsetattr(s, TCSANOW, &t);
  before = now_ms();
  CALL(read(s, b, 64));
  say("waited %d", now_ms() - before >= 150);
  fcntl(s, F_SETFL, O_NONBLOCK);
  CALL(read(s, b, 64));
  t.c_cc[VTIME] = 0;
  tcsetattr(s, TCSANOW, &t);
  CALL(read(s, b, 64));
}
