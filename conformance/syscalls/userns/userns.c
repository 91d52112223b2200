// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static long put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return -1;
  long n = write(fd, text, strlen(text));
  int e = errno;
  close(fd);
  errno = e;
  return n;
}
#define PUT(p, t) CALL(put(p, t))
static void show_map(const char *path);
static void show_file(const char *path) {
  char buf[512];
  int fd = open(path, O_RDONLY);
  long n = fd < 0 ? -1 : read(fd, buf, sizeof buf);
  if (n < 0) say("%s: %s", path, errno_name(errno));
  else report_bytes(path, buf, n);
  if (fd >= 0) close(fd);
}
static void show_map(const char *path) {
  char buf[512];
  int fd = NEED(open(path, O_RDONLY));
  long n = NEED(read(fd, buf, sizeof buf));
  report_bytes("map", buf, n);
  close(fd);
}
static void show_ids(void) {
  uid_t r, e, s;
  gid_t rg, eg, sg;
  getresuid(&r, &e, &s), getresgid(&rg, &eg, &sg);
  say("ids %d %d %d %d, %d %d %d %d", r, e, s, setfsuid(-1), rg, eg, sg, setfsgid(-1));
}
static void show_caps(void) {
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &h, d);
  say("caps %x %x %x, bounding %d", d[0].effective, d[0].permitted, d[0].inheritable, prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN));
}
CASE(userns_unmapped) {
  become(1000);
  CALL(unshare(CLONE_NEWUSER));
  show_ids(), show_caps();
  show_file("/proc/self/uid_map");
  show_file("/proc/self/gid_map");
  show_file("/proc/self/setgroups");
  CALL(setuid(0));
  CALL(setuid(1000));
  CALL(setgroups(0, NULL));
  struct stat st;
  NEED(stat("/", &st));
  say("/ %d %d", st.st_uid, st.st_gid);
  CALL(chown(".", 0, 0));
  CALL(sethostname("x", 1));
  CALL(mount("none", "/mnt", "tmpfs", 0, ""));
  CALL(kill(1, 0));
}
CASE(userns_map_self) {
  become(1000);
  CALL(unshare(CLONE_NEWUSER));
  PUT("/proc/self/gid_map", "0 1000 1");
  PUT("/proc/self/setgroups", "maybe");
  PUT("/proc/self/setgroups", "deny");
  PUT("/proc/self/setgroups", "allow");
  PUT("/proc/self/uid_map", "0 0 1");
  PUT("/proc/self/uid_map", "0 1000 2");
  PUT("/proc/self/uid_map", "0 1000");
  PUT("/proc/self/uid_map", "0 1000 0");
  PUT("/proc/self/uid_map", "x 1000 1");
  PUT("/proc/self/uid_map", "0 1000 1\n");
  PUT("/proc/self/uid_map", "0 1000 1\n");
  PUT("/proc/self/gid_map", "0 1000 1");
  PUT("/proc/self/setgroups", "deny");
  show_ids(), show_caps();
  show_file("/proc/self/uid_map");
  show_file("/proc/self/setgroups");
  CALL(setgroups(0, NULL));
  CALL(setuid(1));
  CALL(setuid(0));
  int fd = NEED(open("/tmp/userns_file", O_CREAT | O_RDWR, 0644));
  struct stat st;
  NEED(fstat(fd, &st));
  say("own file %d %d", st.st_uid, st.st_gid);
  CALL(fchown(fd, 5, -1));
  CALL(fchown(fd, 0, 0));
  NEED(stat("/etc/passwd", &st));
  say("passwd %d %d", st.st_uid, st.st_gid);
  CALL(access("/etc/shadow", R_OK));
  CALL(chmod("/etc/passwd", 0644));
  unlink("/tmp/userns_file");
}
CASE(userns_root_maps_many) {
  int ready[2], done[2];
  NEED(pipe(ready)), NEED(pipe(done));
  pid_t p = fork();
  char c;
  if (p == 0) {
    NEED(unshare(CLONE_NEWUSER));
    write(ready[1], "", 1);
    read(done[0], &c, 1);
    show_ids();
    CALL(setgid(5)), CALL(setuid(5));
    show_ids(), show_caps();
    CALL(setuid(200000));
    gid_t g[3] = {1, 2, 70000};
    CALL(setgroups(3, g));
    _exit(0);
  }
  NEED(read(ready[0], &c, 1));
  char path[64];
  sprintf(path, "/proc/%d/uid_map", p);
  PUT(path, "0 100000 65536\n65536 0 1\n65536 5 1");
  PUT(path, "0 100000 65536\n65536 100000 1");
  PUT(path, "0 100000 65536\n65536 0 1\n");
  show_map(path);
  sprintf(path, "/proc/%d/gid_map", p);
  PUT(path, "0 100000 65536");
  write(done[1], "", 1);
  report_end("child", p);
}
CASE(userns_inside_another) {
  NEED(unshare(CLONE_NEWUSER));
  PUT("/proc/self/uid_map", "0 0 10\n");
  PUT("/proc/self/gid_map", "0 0 10\n");
  show_ids();
  CALL(unshare(CLONE_NEWUSER));
  PUT("/proc/self/uid_map", "100 3 5");
  show_file("/proc/self/uid_map");
  show_ids();
  CHILD(CALL(setuid(103)); show_ids(); show_caps());
}
CASE(userns_other_namespaces) {
  become(1000);
  CALL(unshare(CLONE_NEWNS));
  CALL(unshare(CLONE_NEWUTS));
  CALL(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID));
  CALL(sethostname("inner", 5));
  char name[64];
  gethostname(name, sizeof name);
  STR(name);
  CALL(mount("none", "/mnt", "tmpfs", 0, ""));
  CALL(mkdir("/mnt/e", 0755));
  PUT("/proc/self/uid_map", "0 1000 1");
  PUT("/proc/self/setgroups", "deny");
  PUT("/proc/self/gid_map", "0 1000 1");
  CALL(mkdir("/mnt/d", 0755));
  CALL(mknod("/mnt/null", S_IFCHR | 0666, 0x103));
  CALL(mount("/mnt/d", "/mnt/d", NULL, MS_BIND, NULL));
  CALL(umount2("/mnt/d", 0));
  CALL(umount2("/proc", 0));
  CALL(mount("none", "/mnt/d", "proc", 0, ""));
  CALL(mount("none", "/mnt/d", "ext4", 0, ""));
  CALL(chroot("/mnt"));
  CALL(unshare(CLONE_NEWUSER));
}
CASE(userns_clone) {
  become(1000);
  int st;
  pid_t p = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (p == 0) {
    say("pid %d", getpid());
    show_caps();
    CALL(mount("none", "/mnt", "tmpfs", 0, ""));
    _exit(3);
  }
  waitpid(p, &st, 0);
  VAL(WEXITSTATUS(st));
  CALL(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
  CALL(syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
}
static void *sleeps(void *a) { pause(); return a; }
CASE(userns_threads) {
  pthread_t t;
  pthread_create(&t, 0, sleeps, 0);
  CALL(unshare(CLONE_NEWUSER));
}
CASE(userns_setns) {
  become(1000), prctl(PR_SET_DUMPABLE, 1);
  int ready[2], end[2];
  NEED(pipe(ready)), NEED(pipe(end));
  pid_t p = fork();
  char c, path[64];
  if (p == 0) {
    NEED(unshare(CLONE_NEWUSER | CLONE_NEWUTS));
    sethostname("theirs", 6);
    write(ready[1], "", 1);
    read(end[0], &c, 1);
    _exit(0);
  }
  NEED(read(ready[0], &c, 1));
  sprintf(path, "/proc/%d/ns/uts", p);
  int uts = NEED(open(path, O_RDONLY));
  sprintf(path, "/proc/%d/ns/user", p);
  int user = NEED(open(path, O_RDONLY));
  int own = NEED(open("/proc/self/ns/user", O_RDONLY));
  CALL(ioctl(user, NS_GET_NSTYPE));
  uid_t owner = 0;
  CALL(ioctl(user, NS_GET_OWNER_UID, &owner));
  VAL(owner);
  CALL(ioctl(uts, NS_GET_OWNER_UID, &owner));
  int fd = ioctl(uts, NS_GET_USERNS);
  struct stat a, b;
  YES(fd >= 0 && fstat(fd, &a) == 0 && fstat(user, &b) == 0 && a.st_ino == b.st_ino);
  fd = ioctl(user, NS_GET_PARENT);
  YES(fd >= 0 && fstat(fd, &a) == 0 && fstat(own, &b) == 0 && a.st_ino == b.st_ino);
  CALL(setns(uts, 0));
  CALL(setns(own, 0));
  CALL(setns(user, CLONE_NEWUTS));
  CALL(setns(user, CLONE_NEWUSER));
  show_caps();
  CALL(setns(user, CLONE_NEWUSER));
  CALL(setns(own, CLONE_NEWUSER));
  CALL(setns(uts, CLONE_NEWUTS));
  char name[64];
  gethostname(name, sizeof name);
  STR(name);
  write(end[1], "", 1);
  report_end("child", p);
}
CASE(userns_setns_pidfd) {
  become(1000);
  CHILD({ int q = getppid(); char l[64]; sprintf(l, "/proc/%d/ns/user", q); CALL(open(l, O_RDONLY)); });
  prctl(PR_SET_DUMPABLE, 1);
  int ready[2];
  NEED(pipe(ready));
  pid_t p = fork();
  if (p == 0) {
    NEED(unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS));
    sethostname("theirs", 6);
    write(ready[1], "", 1);
    pause();
  }
  char c, name[64];
  NEED(read(ready[0], &c, 1));
  int fd = NEED(syscall(SYS_pidfd_open, p, 0));
  CALL(setns(fd, 0));
  CALL(setns(fd, 1));
  CALL(setns(fd, CLONE_NEWUTS));
  CALL(setns(fd, CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS));
  gethostname(name, sizeof name);
  STR(name);
  kill(p, SIGKILL);
  waitpid(p, NULL, 0);
  CALL(setns(fd, CLONE_NEWUTS));
}
HELPER(show_me) { show_ids(); show_caps(); return 0; }
CASE(userns_exec) {
  become(1000);
  NEED(unshare(CLONE_NEWUSER));
  CHILD(execl("/proc/self/exe", "exe", "--helper", "show_me", NULL));
  PUT("/proc/self/uid_map", "0 1000 1");
  CHILD(execl("/proc/self/exe", "exe", "--helper", "show_me", NULL));
}
CASE(userns_over_others) {
  // The maker of a namespace has every capability over it; a process in it none over its parent's.
  become(1000), prctl(PR_SET_DUMPABLE, 1);
  int ready[2];
  NEED(pipe(ready));
  pid_t p = fork();
  if (p == 0) {
    NEED(unshare(CLONE_NEWUSER));
    CALL(kill(getppid(), 0));
    write(ready[1], "", 1);
    pause();
  }
  char c;
  NEED(read(ready[0], &c, 1));
  CALL(kill(p, 0));
  struct rlimit r;
  CALL(prlimit(p, RLIMIT_NOFILE, NULL, &r));
  char path[64];
  sprintf(path, "/proc/%d/uid_map", p);
  PUT(path, "7 1000 1");
  show_map(path);
  kill(p, SIGKILL);
  waitpid(p, NULL, 0);
}
CASE(userns_status_of_pid_namespace) {
  fflush(stdout);
  NEED(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS));
  pid_t child = fork();
  if (child == 0) {
    char line[256];
    NEED(mount("proc", "/proc", "proc", 0, 0));
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
      if (strncmp(line, "NS", 2) == 0) say("%.*s", (int)strcspn(line, "\n"), line);
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, 0, 0);
}
// Namespaces nest 33 deep.
CASE(userns_nesting_ends) {
  int depth = 0;
  while (depth < 40 && unshare(CLONE_NEWUSER) == 0) {
    if (put("/proc/self/setgroups", "deny") != 4 || put("/proc/self/uid_map", "0 0 1") != 5 || put("/proc/self/gid_map", "0 0 1") != 5) break;
    depth++;
  }
  say("%s", errno_name(errno));
  VAL(depth);
}
