// SPDX-License-Identifier: Apache-2.0
// What a conformance case is written with. A case prints calls with their symbolic results and nothing that differs
// between two runs on Linux (no pids, addresses, times). Every macro prints one line.
#ifndef CASE_H
#define CASE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct conformance_case {
  const char *name;
  void (*run)(void);
  struct conformance_case *next;
};
void register_case(struct conformance_case *c);

// Defines a case; its body runs in its own process, in its own empty directory.
#define CASE(name)                                                                   \
  static void case_##name(void);                                                     \
  static struct conformance_case entry_##name = {#name, case_##name, 0};             \
  __attribute__((constructor)) static void register_##name(void) { register_case(&entry_##name); } \
  static void case_##name(void)

// Defines a program that a case can execute: /proc/self/exe --helper NAME args...
struct conformance_helper {
  const char *name;
  int (*run)(int argc, char **argv, char **envp);
  struct conformance_helper *next;
};
void register_helper(struct conformance_helper *h);
#define HELPER(name)                                                                     \
  static int helper_##name(int argc, char **argv, char **envp);                          \
  static struct conformance_helper helper_entry_##name = {#name, helper_##name, 0};      \
  __attribute__((constructor)) static void register_helper_##name(void) { register_helper(&helper_entry_##name); } \
  static int helper_##name(int argc, char **argv, char **envp)

// Prints one line.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *errno_name(int e);
const char *signal_name(int s);
// Prints `text = value` or `text = ERRNO`; returns value.
long report_call(const char *text, long value, int e);
// Prints `text = ok` or `text = ERRNO`; returns value.
long report_ok(const char *text, long value, int e);
void report_bytes(const char *text, const void *bytes, long length);
// Waits for `pid` and prints how it ended.
void report_end(const char *text, pid_t pid);

// A call whose exact result matters.
#define CALL(e) ({ errno = 0; long r_ = (long)(e); report_call(#e, r_, errno); })
// A call whose result is a descriptor, pid or address.
#define OK(e) ({ errno = 0; long r_ = (long)(e); report_ok(#e, r_, errno); })
// A number, not a call.
#define VAL(e) say("%s: %ld", #e, (long)(e))
#define OCT(e) say("%s: 0%lo", #e, (unsigned long)(e))
#define YES(e) say("%s: %s", #e, (e) ? "yes" : "no")
#define STR(s) ({ const char *s_ = (s); report_bytes(#s, s_, s_ ? (long)strlen(s_) : -1); })
#define BYTES(p, n) report_bytes(#p, (p), (n))
// Silent set-up: ends the case when it fails.
#define NEED(e) ({ errno = 0; long n_ = (long)(e); if (n_ == -1) { say("NEED(%s) failed: %s", #e, errno_name(errno)); _exit(99); } n_; })
// Runs the statement(s) in a child and prints how it ended.
#define CHILD(...) ({ pid_t c_ = fork(); if (c_ == 0) { __VA_ARGS__; _exit(0); } report_end("child", c_); })

// Small set-up pieces.
int make_file(const char *path, const char *content, mode_t mode);
void sleep_ms(long ms);
long long now_ms(void);
// Becomes another user for good (all ids, no groups, no capabilities).
void become(uid_t uid);
#define BAD_POINTER ((void *)0x10)
// A kernel-half address.
#define KERNEL_POINTER ((void *)0xffff800000000000ul)
#endif
