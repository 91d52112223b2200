// SPDX-License-Identifier: Apache-2.0
// Runs an area's cases one after another, each in a forked child with its own directory, so that a crash is one case's.
// Usage: driver [--list] [--here] [--dir BASE] [case...]
#include "case.h"
#include <sys/prctl.h>
#include <grp.h>

static struct conformance_case *cases, **last = &cases;

void register_case(struct conformance_case *c) {
  *last = c;
  last = &c->next;
}

static struct conformance_helper *helpers;

void register_helper(struct conformance_helper *h) {
  h->next = helpers;
  helpers = h;
}

static int run_helper(int argc, char **argv, char **envp) {
  for (struct conformance_helper *h = helpers; h; h = h->next)
    if (strcmp(h->name, argv[0]) == 0) return h->run(argc, argv, envp);
  say("no helper %s", argv[0]);
  return 98;
}

static void write_all(const char *p, size_t n) {
  while (n > 0) {
    ssize_t w = write(1, p, n);
    if (w < 0 && errno == EINTR) continue;
    if (w <= 0) return;
    p += w;
    n -= w;
  }
}

void say(const char *format, ...) {
  char line[4096];
  int saved = errno;
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (n > (int)sizeof line - 2) n = sizeof line - 2;
  line[n++] = '\n';
  write_all(line, n);
  errno = saved;
}

const char *errno_name(int e) {
  const char *name = strerrorname_np(e);
  static char unknown[32];
  if (name) return name;
  snprintf(unknown, sizeof unknown, "errno %d", e);
  return unknown;
}

const char *signal_name(int s) {
  static char text[32];
  const char *name = sigabbrev_np(s);
  if (name) snprintf(text, sizeof text, "SIG%s", name);
  else snprintf(text, sizeof text, "signal %d", s);
  return text;
}

long report_call(const char *text, long value, int e) {
  if (value == -1 && e != 0) say("%s = %s", text, errno_name(e));
  else say("%s = %ld", text, value);
  errno = e;
  return value;
}

long report_ok(const char *text, long value, int e) {
  say("%s = %s", text, value == -1 ? errno_name(e) : "ok");
  errno = e;
  return value;
}

void report_bytes(const char *text, const void *bytes, long length) {
  char out[3000];
  int n = 0;
  if (length < 0) {
    say("%s: null", text);
    return;
  }
  for (long i = 0; i < length && n < 2900; i++) {
    unsigned char c = ((const unsigned char *)bytes)[i];
    if (c == '\\' || c == '"') n += sprintf(out + n, "\\%c", c);
    else if (c == '\n') n += sprintf(out + n, "\\n");
    else if (c < 32 || c > 126) n += sprintf(out + n, "\\x%02x", c);
    else out[n++] = c;
  }
  out[n] = 0;
  say("%s: \"%s\"", text, out);
}

static const char *describe_status(int status) {
  static char text[64];
  if (WIFEXITED(status)) snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) snprintf(text, sizeof text, "killed by %s", signal_name(WTERMSIG(status)));
  else if (WIFSTOPPED(status)) snprintf(text, sizeof text, "stopped by %s", signal_name(WSTOPSIG(status)));
  else if (WIFCONTINUED(status)) snprintf(text, sizeof text, "continued");
  else snprintf(text, sizeof text, "status %x", status);
  return text;
}

void report_end(const char *text, pid_t pid) {
  int status = 0;
  pid_t got;
  while ((got = waitpid(pid, &status, 0)) == -1 && errno == EINTR) {}
  if (got == -1) say("%s: waitpid %s", text, errno_name(errno));
  else say("%s: %s", text, describe_status(status));
}

int make_file(const char *path, const char *content, mode_t mode) {
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  if (fd < 0) {
    say("make_file %s: %s", path, errno_name(errno));
    return -1;
  }
  size_t n = strlen(content);
  if (write(fd, content, n) != (ssize_t)n) say("make_file %s: short write", path);
  fchmod(fd, mode);
  close(fd);
  return 0;
}

void sleep_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&t, &t) == -1 && errno == EINTR) {}
}

long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

void become(uid_t uid) {
  NEED(setgroups(0, NULL));
  NEED(setresgid(uid, uid, uid));
  NEED(setresuid(uid, uid, uid));
}

static void fresh_signals(void) {
  sigset_t none;
  for (int s = 1; s < 65; s++) signal(s, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void run_body(struct conformance_case *c, const char *directory) {
  fresh_signals();
  umask(022);
  if (chdir(directory) != 0) say("driver: chdir: %s", errno_name(errno));
  alarm(15);
  c->run();
  _exit(0);
}

static void run_case(struct conformance_case *c, const char *base) {
  char directory[512];
  int status = 0;
  say("## begin %s", c->name);
  snprintf(directory, sizeof directory, "%s/%s", base, c->name);
  if (mkdir(directory, 0755) != 0) say("driver: mkdir: %s", errno_name(errno));
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    run_body(c, directory);
  }
  if (pid < 0) say("driver: fork: %s", errno_name(errno));
  else {
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {}
    kill(-pid, SIGKILL);
  }
  say("## end %s %s", c->name, describe_status(status));
}

static int is_chosen(const char *name, int argc, char **argv, int first) {
  if (first >= argc) return 1;
  for (int i = first; i < argc; i++)
    if (strcmp(argv[i], name) == 0) return 1;
  return 0;
}

int main(int argc, char **argv, char **envp) {
  const char *base = NULL;
  int first = 1, here = 0, list = 0;
  if (argc > 2 && strcmp(argv[1], "--helper") == 0) return run_helper(argc - 2, argv + 2, envp);
  for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++) {
    if (strcmp(argv[first], "--list") == 0) list = 1;
    else if (strcmp(argv[first], "--here") == 0) here = 1;
    else if (strcmp(argv[first], "--dir") == 0 && first + 1 < argc) base = argv[++first];
  }
  if (list) {
    for (struct conformance_case *c = cases; c; c = c->next) say("%s", c->name);
    return 0;
  }
  char made[64] = "/tmp/conformance-XXXXXX";
  if (!base) base = mkdtemp(made);
  if (!base) say("driver: no directory: %s", errno_name(errno));
  mkdir(base, 0755);
  chmod(base, 0755);
  for (struct conformance_case *c = cases; c; c = c->next) {
    if (!is_chosen(c->name, argc, argv, first)) continue;
    if (here) run_body(c, base);
    run_case(c, base);
  }
  return 0;
}
