// SPDX-License-Identifier: Apache-2.0
#include "case.h"

static char text[200000];
static long slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) { say("%s: %s", path, errno_name(errno)); text[0] = 0; return -1; }
  long at = 0, n;
  while ((n = read(fd, text + at, sizeof text - 1 - at)) > 0) at += n;
  if (n < 0) say("%s: read %s", path, errno_name(errno));
  text[at] = 0;
  close(fd);
  return at;
}
// Prints whether each key of a "Key: value" file is there.
static void has_keys(const char *path, const char *const *keys) {
  slurp(path);
  for (int i = 0; keys[i]; i++) {
    char want[64];
    sprintf(want, "%s:", keys[i]);
    char *at = strstr(text, want);
    if (!at || (at != text && at[-1] != '\n')) say("%s lacks %s", path, keys[i]);
  }
  say("%s checked", path);
}
static long value_of(const char *key) { char *at = strstr(text, key); return at ? strtol(at + strlen(key), 0, 0) : -1; }

CASE(proc_status) {
  static const char *const keys[] = {"Name", "Umask", "State", "Tgid", "Ngid", "Pid", "PPid", "TracerPid", "Uid", "Gid", "FDSize", "Groups", "VmPeak", "VmSize", "VmRSS", "VmData", "VmStk", "VmExe", "Threads", "SigQ", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Cpus_allowed_list", "Mems_allowed", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches", 0};
  has_keys("/proc/self/status", keys);
  YES(value_of("\nPid:\t") == getpid());
  YES(value_of("\nPPid:\t") == getppid());
  VAL(value_of("\nThreads:\t"));
  VAL(value_of("\nUid:\t"));
  signal(SIGUSR1, SIG_IGN);
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR2);
  sigprocmask(SIG_BLOCK, &m, 0);
  raise(SIGUSR2);
  slurp("/proc/self/status");
  say("%.16s", strstr(text, "SigBlk:\t") + 8);
  say("%.16s", strstr(text, "SigIgn:\t") + 8);
  YES(strtoul(strstr(text, "SigPnd:\t") + 8, 0, 16) == 0x800 || strtoul(strstr(text, "ShdPnd:\t") + 8, 0, 16) == 0x800);
}
CASE(proc_stat) {
  slurp("/proc/self/stat");
  char *p = strrchr(text, ')'), state;
  int ppid, pgrp, session;
  YES(strtol(text, 0, 10) == getpid());
  YES(sscanf(p + 2, "%c %d %d %d", &state, &ppid, &pgrp, &session) == 4);
  say("%c", state);
  YES(ppid == getppid() && pgrp == getpgrp() && session == getsid(0));
  int fields = 2;
  for (char *q = p + 1; *q; q++) fields += *q == ' ';
  VAL(fields);
  slurp("/proc/self/statm");
  long v[7];
  VAL(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6));
  YES(v[0] > 0 && v[1] > 0);
}
CASE(proc_maps_consistent) {
  slurp("/proc/self/maps");
  unsigned long a, b, last = 0, off;
  char perm[8], path[300];
  int heap = 0, stack = 0, vdso = 0, exe = 0, bad = 0;
  char local;
  for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
    path[0] = 0;
    unsigned maj, min;
    long inode;
    if (sscanf(line, "%lx-%lx %4s %lx %x:%x %ld %299[^\n]", &a, &b, perm, &off, &maj, &min, &inode, path) < 7) bad++;
    if (a < last || a >= b || a % 4096 || b % 4096) bad++;
    last = b;
    if (strstr(path, "[heap]")) heap++;
    if (strstr(path, "[stack]")) { stack++; if ((unsigned long)&local < a || (unsigned long)&local >= b) bad++; }
    if (strstr(path, "[vdso]")) vdso++;
    if ((unsigned long)slurp >= a && (unsigned long)slurp < b) { exe = path[0] == '/'; say("text is %s", perm); }
  }
  malloc(10);
  VAL(bad);
  VAL(stack);
  VAL(vdso);
  VAL(exe);
}
CASE(proc_links) {
  char b[4096] = {0}, c[4096];
  readlink("/proc/self", b, 100);
  YES(atoi(b) == getpid());
  memset(b, 0, sizeof b);
  readlink("/proc/self/cwd", b, sizeof b);
  YES(strcmp(b, getcwd(c, sizeof c)) == 0);
  memset(b, 0, sizeof b);
  CALL(readlink("/proc/self/root", b, sizeof b));
  STR(b);
  memset(b, 0, sizeof b);
  YES(readlink("/proc/self/exe", b, sizeof b) > 1 && b[0] == '/');
  memset(b, 0, sizeof b);
  YES(readlink("/proc/thread-self", b, sizeof b) > 0 && strstr(b, "/task/"));
  YES(readlink("/proc/mounts", b, sizeof b) > 0);
  CALL(readlink("/proc/self/status", b, 10));
  CALL(open("/proc/self/fd/999", O_RDONLY));
  CALL(open("/proc/self/nothing", O_RDONLY));
  CALL(open("/proc/99999999", O_RDONLY));
  CALL(open("/proc/self/stat", O_WRONLY | O_TRUNC) >= 0);
  CALL(unlink("/proc/self/stat"));
  CALL(mkdir("/proc/x", 0700));
  CALL(rename("/proc/self", "/proc/x"));
}
CASE(proc_fd_directory) {
  NEED(dup2(0, 20));
  DIR *d = opendir("/proc/self/fd");
  struct dirent *e;
  int seen20 = 0, seen0 = 0, type = 0;
  while ((e = readdir(d))) { if (!strcmp(e->d_name, "20")) seen20 = 1, type = e->d_type; if (!strcmp(e->d_name, "0")) seen0 = 1; }
  VAL(seen20);
  VAL(seen0);
  VAL(type == DT_LNK);
  struct stat st;
  CALL(lstat("/proc/self/fd/20", &st));
  OCT(st.st_mode & S_IFMT);
  slurp("/proc/self/fdinfo/20");
  YES(strstr(text, "pos:\t0") && strstr(text, "flags:\t") && strstr(text, "mnt_id:"));
}
CASE(proc_cmdline_environ_comm) {
  long n = slurp("/proc/self/cmdline");
  YES(n > 0 && text[n - 1] == 0);
  slurp("/proc/self/environ");
  YES(strstr(text, "=") != NULL || text[0] == 0);
  n = slurp("/proc/self/comm");
  YES(n > 1 && text[n - 1] == '\n');
  CHILD(char *a[] = {"one", "two three", "", "/proc/self/cmdline", NULL}; execv("/bin/cat", a));
}
CASE(proc_task_directory) {
  char path[100];
  sprintf(path, "/proc/%d/task/%d/stat", getpid(), getpid());
  YES(slurp(path) > 0);
  sprintf(path, "/proc/self/task/%d/comm", getpid());
  YES(slurp(path) > 0);
  CALL(open("/proc/self/task/99999999", O_RDONLY));
  DIR *d = opendir("/proc/self/task");
  int n = 0;
  struct dirent *e;
  while ((e = readdir(d))) n += e->d_name[0] != '.';
  VAL(n);
}
CASE(proc_meminfo_and_cpuinfo) {
  static const char *const mem[] = {"MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active", "Inactive", "SwapTotal", "SwapFree", "Dirty", "Writeback", "AnonPages", "Mapped", "Shmem", "Slab", 0};
  has_keys("/proc/meminfo", mem);
  YES(value_of("MemTotal:") >= value_of("MemFree:"));
  slurp("/proc/cpuinfo");
  YES(strstr(text, "processor\t: 0\n") && strstr(text, "vendor_id\t: ") && strstr(text, "flags\t\t: ") && strstr(text, "model name\t: "));
}
CASE(proc_system_files) {
  double up, idle;
  slurp("/proc/uptime");
  VAL(sscanf(text, "%lf %lf", &up, &idle));
  slurp("/proc/loadavg");
  float a, b, c;
  int r, t, last;
  VAL(sscanf(text, "%f %f %f %d/%d %d", &a, &b, &c, &r, &t, &last));
  slurp("/proc/stat");
  YES(strncmp(text, "cpu  ", 5) == 0 && strstr(text, "\ncpu0 ") && strstr(text, "\nbtime ") && strstr(text, "\nprocesses ") && strstr(text, "\nctxt "));
  slurp("/proc/version");
  YES(strncmp(text, "Linux version ", 14) == 0);
  slurp("/proc/filesystems");
  YES(strstr(text, "nodev\tproc\n") && strstr(text, "nodev\ttmpfs\n"));
  YES(slurp("/proc/cmdline") >= 0);
  slurp("/proc/sys/kernel/ostype");
  STR(text);
  YES(slurp("/proc/sys/kernel/osrelease") > 3);
  YES(slurp("/proc/sys/kernel/hostname") > 1);
  YES(slurp("/proc/sys/kernel/pid_max") > 1 && atoi(text) > 1000);
  YES(slurp("/proc/sys/kernel/random/uuid") == 37);
  YES(slurp("/proc/sys/kernel/random/boot_id") == 37);
  YES(slurp("/proc/sys/vm/overcommit_memory") == 2);
  YES(slurp("/proc/sys/vm/max_map_count") > 3);
  YES(slurp("/proc/sys/fs/file-max") > 3);
  YES(slurp("/proc/sys/fs/nr_open") > 3);
  YES(slurp("/proc/sys/net/core/somaxconn") > 1);
  YES(slurp("/proc/sys/kernel/cap_last_cap") > 1);
  YES(slurp("/proc/sys/kernel/ngroups_max") > 1);
  YES(slurp("/proc/vmstat") > 100);
}
CASE(proc_mounts_formats) {
  char dev[200], dir[200], type[100], opts[900];
  int f, p;
  slurp("/proc/self/mounts");
  VAL(sscanf(text, "%199s %199s %99s %899s %d %d", dev, dir, type, opts, &f, &p));
  YES(strstr(text, " /proc proc ") != NULL);
  slurp("/proc/self/mountinfo");
  int id, parent, maj, min;
  VAL(sscanf(text, "%d %d %d:%d", &id, &parent, &maj, &min));
  YES(strstr(text, " - proc ") != NULL);
  YES(slurp("/proc/self/mountstats") >= 0 || 1);
  CALL(slurp("/proc/self/cgroup") >= 0);
}
CASE(proc_limits_oom_misc) {
  slurp("/proc/self/limits");
  YES(strncmp(text, "Limit                     Soft Limit           Hard Limit           Units", 70) == 0);
  YES(strstr(text, "Max open files ") && strstr(text, "Max stack size ") && strstr(text, "Max realtime timeout "));
  slurp("/proc/self/oom_score_adj");
  YES(text[0] != 0);
  YES(slurp("/proc/self/oom_score") > 0);
  slurp("/proc/self/uid_map");
  long a, b, c;
  VAL(sscanf(text, "%ld %ld %ld", &a, &b, &c));
  YES(slurp("/proc/self/auxv") > 100);
  YES(slurp("/proc/self/io") > 10);
  YES(slurp("/proc/self/smaps") > 100 && strstr(text, "Rss:") && strstr(text, "Pss:"));
  YES(slurp("/proc/self/wchan") >= 0);
  YES(slurp("/proc/self/personality") == 9);
  YES(slurp("/proc/self/loginuid") > 0);
  YES(slurp("/proc/self/sched") > 0 || 1);
}
CASE(proc_mem) {
  static char cell[16] = "secret";
  int fd = NEED(open("/proc/self/mem", O_RDWR));
  char b[16] = {0};
  CALL(pread(fd, b, 6, (off_t)cell));
  STR(b);
  CALL(pwrite(fd, "public", 6, (off_t)cell));
  STR(cell);
  CALL(pread(fd, b, 6, 0x10));
}
CASE(proc_namespaces) {
  static const char *const names[] = {"mnt", "pid", "net", "ipc", "uts", "user", "cgroup", 0};
  for (int i = 0; names[i]; i++) {
    char path[64], b[100] = {0}, want[20];
    sprintf(path, "/proc/self/ns/%s", names[i]);
    sprintf(want, "%s:[", names[i]);
    say("%s %s", names[i], readlink(path, b, 99) > 0 && strncmp(b, want, strlen(want)) == 0 ? "ok" : "missing");
  }
}
CASE(proc_net_files) {
  static const char *const names[] = {"dev", "tcp", "tcp6", "udp", "unix", "route", "if_inet6", "arp", "snmp", "netstat", "sockstat", 0};
  for (int i = 0; names[i]; i++) { char p[64]; sprintf(p, "/proc/net/%s", names[i]); say("%s %s", names[i], open(p, O_RDONLY) >= 0 ? "ok" : errno_name(errno)); }
  slurp("/proc/net/dev");
  YES(strstr(text, "Inter-|   Receive") && strstr(text, " lo:"));
}
CASE(proc_of_another) {
  char path[64];
  pid_t c = fork();
  if (c == 0) for (;;) pause();
  sprintf(path, "/proc/%d/status", c);
  slurp(path);
  YES(value_of("\nPPid:\t") == getpid());
  sprintf(path, "/proc/%d/cmdline", c);
  YES(slurp(path) > 0);
  sprintf(path, "/proc/%d/fd", c);
  CALL(open(path, O_RDONLY) >= 0);
  kill(c, SIGKILL);
  report_end("child", c);
  CALL(open(path, O_RDONLY));
}
CASE(proc_root_listing) {
  DIR *d = opendir("/proc");
  struct dirent *e;
  int self = 0, mine = 0, one = 0;
  char pid[20];
  sprintf(pid, "%d", getpid());
  while ((e = readdir(d))) { self |= !strcmp(e->d_name, "self"); mine |= !strcmp(e->d_name, pid); one |= !strcmp(e->d_name, "1"); }
  VAL(self);
  VAL(mine);
  VAL(one);
}
CASE(sys_cpu_files) {
  YES(slurp("/sys/devices/system/cpu/online") > 1);
  YES(slurp("/sys/devices/system/cpu/possible") > 1);
  YES(slurp("/sys/devices/system/cpu/present") > 1);
  YES(access("/sys/devices/system/cpu/cpu0", F_OK) == 0);
  YES(access("/sys/devices/system/node/node0", F_OK) == 0);
  CALL(access("/sys/class", F_OK));
  CALL(access("/sys/fs", F_OK));
  CALL(access("/sys/kernel", F_OK));
}
