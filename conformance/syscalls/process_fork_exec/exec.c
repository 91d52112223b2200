// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/auxv.h>

#define SELF "/proc/self/exe"

HELPER(show_args) {
  for (int i = 0; i < argc; i++) report_bytes("arg", argv[i], strlen(argv[i]));
  for (int i = 0; envp[i]; i++) report_bytes("env", envp[i], strlen(envp[i]));
  return 0;
}
HELPER(show_fds) {
  for (int i = 3; i < 40; i++)
    if (fcntl(i, F_GETFD) >= 0) say("fd %d open", i);
  return 0;
}
HELPER(show_signals) {
  struct sigaction a;
  sigset_t m, p;
  for (int i = 1; i < 32; i++) {
    sigaction(i, NULL, &a);
    if (a.sa_handler == SIG_IGN) say("%s ignored", signal_name(i));
    else if (a.sa_handler != SIG_DFL) say("%s handled", signal_name(i));
  }
  sigprocmask(0, NULL, &m);
  sigpending(&p);
  for (int i = 1; i < 32; i++)
    if (sigismember(&m, i)) say("%s blocked%s", signal_name(i), sigismember(&p, i) ? " and pending" : "");
  stack_t s;
  sigaltstack(NULL, &s);
  VAL(s.ss_flags);
  return 0;
}
HELPER(show_ids) {
  char name[17] = {0};
  uid_t r, e, s;
  getresuid(&r, &e, &s);
  say("uid %d %d %d", r, e, s);
  OCT(umask(0));
  return 0;
}
HELPER(auxv) {
  YES(getauxval(AT_PAGESZ) == 4096);
  YES(getauxval(AT_PHDR) != 0);
  YES(getauxval(AT_PHENT) == 56);
  YES(getauxval(AT_PHNUM) > 3);
  YES(getauxval(AT_ENTRY) != 0);
  YES(getauxval(AT_RANDOM) != 0);
  YES(getauxval(AT_CLKTCK) == 100);
  VAL(getauxval(AT_UID));
  VAL(getauxval(AT_EUID));
  VAL(getauxval(AT_SECURE));
  STR((char *)getauxval(AT_PLATFORM));
  YES(getauxval(AT_SYSINFO_EHDR) != 0);
  VAL(getauxval(AT_BASE));
  YES(getauxval(AT_EXECFN) != 0);
  return 0;
}
HELPER(stack_alignment) {
  // At entry the stack pointer is 16-byte aligned and points at argc.
  unsigned long *p = (unsigned long *)argv;
  VAL(((unsigned long)p & 15) == 8 || ((unsigned long)p & 15) == 0);
  return 0;
}
static char *no_env[] = {NULL};
#define EXEC(...) CHILD(char *a_[] = {"driver", "--helper", __VA_ARGS__, NULL}; execve(SELF, a_, no_env); say("exec: %s", errno_name(errno)); _exit(1))

CASE(exec_arguments) {
  EXEC("show_args", "", "two words", "\xff\x01");
  CHILD(char *a[] = {"driver", "--helper", "show_args", NULL}, *e[] = {"A=1", "no-equals", "", "B=\n", NULL}; execve(SELF, a, e));
}
CASE(exec_auxv) {
  EXEC("auxv");
  EXEC("stack_alignment");
}
CASE(exec_errors) {
  char *a[] = {"x", NULL};
  make_file("noexec", "#!/bin/sh\n", 0644);
  make_file("text", "echo\n", 0755);
  make_file("empty", "", 0755);
  make_file("binary", "\x7f" "ELFgarbage", 0755);
  make_file("nointerp", "#!/no/such/interpreter\n", 0755);
  make_file("dirinterp", "#!/tmp\n", 0755);
  make_file("emptyinterp", "#!\n", 0755);
  make_file("spaces", "#!   \t  \n", 0755);
  NEED(mkdir("d", 0755));
  NEED(symlink("loop", "loop"));
  CALL(execve("none", a, no_env));
  CALL(execve("noexec", a, no_env));
  CALL(execve("text", a, no_env));
  CALL(execve("empty", a, no_env));
  CALL(execve("binary", a, no_env));
  CALL(execve("nointerp", a, no_env));
  CALL(execve("dirinterp", a, no_env));
  CALL(execve("emptyinterp", a, no_env));
  CALL(execve("spaces", a, no_env));
  CALL(execve("d", a, no_env));
  CALL(execve("noexec/x", a, no_env));
  CALL(execve("loop", a, no_env));
  CALL(execve("", a, no_env));
  CALL(execve(NULL, a, no_env));
  CALL(execve("text/", a, no_env));
  CALL(execve(SELF, BAD_POINTER, no_env));
  CALL(execve(SELF, a, BAD_POINTER));
  char *bad[] = {"x", BAD_POINTER, NULL};
  CALL(execve(SELF, bad, no_env));
  char name[300];
  memset(name, 'a', 299), name[299] = 0;
  CALL(execve(name, a, no_env));
  CALL(syscall(SYS_execveat, AT_FDCWD, "none", a, no_env, 0x40000));
  CALL(syscall(SYS_execveat, 999, "none", a, no_env, 0));
}
CASE(exec_too_big) {
  char *big = malloc(140000);
  memset(big, 'a', 140000);
  big[131071] = 0;
  EXEC("show_fds", big);
  big[131071] = 'a', big[131072] = 0;
  EXEC("show_fds", big);
  char **many = calloc(300000, sizeof *many);
  for (int i = 0; i < 299999; i++) many[i] = "aaaaaaaa";
  CALL(execve(SELF, many, no_env));
}
CASE(exec_null_argv) {
  CHILD(syscall(SYS_execve, "/bin/true", NULL, NULL); say("%s", errno_name(errno)));
}
CASE(exec_scripts) {
  make_file("s1", "#!/bin/sh\necho \"$0 $*\"; exit 3\n", 0755);
  make_file("s2", "#!/bin/sh -e\nfalse\necho no\n", 0755);
  make_file("s3", "#!./s1 one two  \n", 0755);
  make_file("s4", "#!./s3\n", 0755);
  make_file("s5", "#!./s4\n", 0755);
  make_file("s6", "#!./s5\n", 0755);
  make_file("s7", "#!./s6\n", 0755);
  make_file("s8", "#! \t /bin/echo   a  b\t \nx", 0755);
  CHILD(execl("s1", "argv0", "x", "y z", NULL));
  CHILD(execl("s2", "argv0", NULL));
  CHILD(execl("s3", "argv0", "arg", NULL));
  CHILD(execl("s5", "argv0", "arg", NULL); say("%s", errno_name(errno)));
  CHILD(execl("s6", "argv0", "arg", NULL); say("%s", errno_name(errno)));
  CHILD(execl("s7", "argv0", "arg", NULL); say("%s", errno_name(errno)));
  CHILD(execl("s8", "argv0", "arg", NULL));
  char line[400];
  memset(line, 'a', sizeof line);
  memcpy(line, "#!/", 3);
  line[390] = '\n', line[391] = 0;
  make_file("long", line, 0755);
  CALL(execl("long", "x", NULL));
  memcpy(line, "#!/bin/echo ", 12);
  make_file("longarg", line, 0755);
  CHILD(execl("longarg", "x", NULL); say("%s", errno_name(errno)));
}
CASE(exec_close_on_exec) {
  NEED(dup2(0, 10));
  NEED(dup2(0, 11));
  NEED(fcntl(11, F_SETFD, FD_CLOEXEC));
  NEED(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXEC("show_fds");
  char *a[] = {"x", NULL};
  CALL(execve("none", a, no_env));
  VAL(fcntl(11, F_GETFD));
}
static void nothing(int s) {}
CASE(exec_signal_state) {
  static char alt[16384];
  stack_t s = {.ss_sp = alt, .ss_size = sizeof alt};
  sigset_t m;
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, nothing);
  signal(SIGCHLD, SIG_IGN);
  NEED(sigaltstack(&s, 0));
  sigemptyset(&m);
  sigaddset(&m, SIGTERM);
  sigprocmask(SIG_BLOCK, &m, 0);
  raise(SIGTERM);
  signal(SIGCHLD, SIG_DFL);
  char *a[] = {"driver", "--helper", "show_signals", NULL};
  execve(SELF, a, no_env);
}
CASE(exec_keeps) {
  alarm(100);
  umask(031);
  NEED(setresuid(7, 8, 9));
  EXEC("show_ids");
}
static void *exec_from_thread(void *unused) {
  char *a[] = {"driver", "--helper", "show_args", "from-thread", NULL};
  execve(SELF, a, no_env);
  return 0;
}
static void *sleep_forever(void *unused) { for (;;) pause(); }
CASE(exec_ends_other_threads) {
  pthread_t t;
  pid_t before = getpid();
  for (int i = 0; i < 4; i++) pthread_create(&t, 0, sleep_forever, 0);
  pthread_create(&t, 0, exec_from_thread, 0);
  sleep_ms(3000);
  say("not reached");
}
CASE(exec_at_descriptor) {
  int fd = NEED(open(SELF, O_PATH | O_CLOEXEC));
  CHILD(char *a[] = {"driver", "--helper", "show_args", NULL}; syscall(SYS_execveat, fd, "", a, no_env, AT_EMPTY_PATH); say("%s", errno_name(errno)));
  make_file("s", "#!/bin/sh\nexit 4\n", 0755);
  NEED(symlink("s", "l"));
  int s = NEED(open("s", O_RDONLY)), c = NEED(open("s", O_RDONLY | O_CLOEXEC)), d = NEED(open(".", O_RDONLY));
  CHILD(char *a[] = {"x", NULL}; syscall(SYS_execveat, s, "", a, no_env, AT_EMPTY_PATH); say("%s", errno_name(errno)));
  CHILD(char *a[] = {"x", NULL}; syscall(SYS_execveat, c, "", a, no_env, AT_EMPTY_PATH); say("%s", errno_name(errno)));
  CHILD(char *a[] = {"x", NULL}; syscall(SYS_execveat, d, "s", a, no_env, 0); say("%s", errno_name(errno)));
  CHILD(char *a[] = {"x", NULL}; syscall(SYS_execveat, d, "l", a, no_env, AT_SYMLINK_NOFOLLOW); say("%s", errno_name(errno)));
}
CASE(exec_permission) {
  int in = NEED(open("/bin/true", O_RDONLY)), out = NEED(open("t", O_CREAT | O_WRONLY, 0700));
  char *b = malloc(1 << 20);
  ssize_t n;
  while ((n = read(in, b, 1 << 20)) > 0) NEED(write(out, b, n));
  close(out);
  CHILD(execl("./t", "t", NULL));
  CHILD(become(1234); CALL(execl("./t", "t", NULL)));
  NEED(chmod("t", 0711));
  CHILD(become(1234); execl("./t", "t", NULL); say("%s", errno_name(errno)));
  NEED(chmod("t", 0666));
  CALL(execl("./t", "t", NULL));
}
CASE(exec_comm) {
  char b[64] = {0};
  make_file("a-script-with-a-long-name", "#!/bin/sh\ncat /proc/$$/comm\n", 0755);
  CHILD(execl("./a-script-with-a-long-name", "argv0", NULL));
  CHILD(execl("/bin/cat", "other-name", "/proc/self/comm", "/proc/self/cmdline", NULL));
}
CASE(fork_basic) {
  int x = 1;
  pid_t parent = getpid();
  CHILD(x = 2; YES(getppid() == parent); YES(getpid() != parent); _exit(42));
  VAL(x);
  CHILD(_exit(256 + 7));
  CHILD(kill(getpid(), SIGTERM));
  CHILD(abort());
  CHILD(*(volatile int *)0 = 1);
  CHILD(__asm__ volatile("ud2"));
  CHILD(__asm__ volatile("int3"));
  CHILD(__asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cdq; idiv %%ecx" ::: "eax", "ecx", "edx"));
  CHILD(__asm__ volatile("hlt"));
}
CASE(vfork_shares_and_waits) {
  volatile int x = 1;
  pid_t c = vfork();
  if (c == 0) {
    x = 2;
    _exit(5);
  }
  VAL(x);
  report_end("child", c);
  c = vfork();
  if (c == 0) {
    execl("/bin/sh", "sh", "-c", "exit 6", NULL);
    _exit(1);
  }
  report_end("child", c);
}
CASE(fork_shares_offsets_not_table) {
  make_file("f", "abcdef", 0600);
  int fd = NEED(open("f", O_RDONLY));
  CHILD(char b[3]; read(fd, b, 3); close(fd));
  VAL(lseek(fd, 0, SEEK_CUR));
}
CASE(orphan_gets_new_parent) {
  int p[2];
  NEED(pipe(p));
  pid_t me = getpid();
  CHILD(if (fork() == 0) { while (getppid() != 1 && getppid() == 0) sleep_ms(5); sleep_ms(50); char c = getppid() != me ? 'y' : 'n'; write(p[1], &c, 1); _exit(0); });
  char b = 0;
  read(p[0], &b, 1);
  say("%c", b);
}
CASE(atfork_many) {
  for (int i = 0; i < 50; i++) {
    pid_t c = fork();
    if (c == 0) _exit(i);
    int s;
    if (waitpid(c, &s, 0) != c || WEXITSTATUS(s) != i) say("wrong at %d", i);
  }
  say("done");
}
CASE(posix_spawn_like) {
  int p[2];
  char b[32] = {0};
  NEED(pipe(p));
  FILE *f = popen("echo from popen; exit 9", "r");
  fgets(b, sizeof b, f);
  STR(b);
  VAL(WEXITSTATUS(pclose(f)));
  VAL(WEXITSTATUS(system("exit 11")));
  VAL(WTERMSIG(system("kill -9 $$")));
}
