// SPDX-License-Identifier: Apache-2.0
// Random and wrong arguments for every socket call, on sockets of every family. Prints "survived" at the end; what the calls answer does
// not matter, only that they answer. Calls are made on non-blocking sockets, so none waits.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned state = 12345;
static unsigned rnd(unsigned n) {
  state = state * 1103515245 + 12345;
  return (state >> 8) % n;
}
static unsigned char noise[4096];
static void fill(void *p, size_t n) {
  for (size_t i = 0; i < n; i++) ((unsigned char *)p)[i] = rnd(4) ? rnd(4) : rnd(256);
}
static void *pointer(void *good) {
  switch (rnd(8)) {
    case 0: return NULL;
    case 1: return (void *)0x10;
    case 2: return (void *)0xffff800000000000ul;
    default: return good;
  }
}
static socklen_t address(struct sockaddr_storage *a) {
  static const int families[] = {AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX, AF_NETLINK, 77};
  static const int lengths[] = {0, 1, 2, 8, 12, 15, 16, 24, 28, 110, 128, 129, -1};
  fill(a, sizeof *a);
  a->ss_family = families[rnd(6)];
  // Nothing leaves this host: loopback or nothing at all.
  if (a->ss_family == AF_INET) ((struct sockaddr_in *)a)->sin_addr.s_addr = htonl(rnd(2) ? 0x7f000001 : 0);
  if (a->ss_family == AF_INET6) ((struct sockaddr_in6 *)a)->sin6_addr = rnd(2) ? in6addr_loopback : in6addr_any;
  return lengths[rnd(13)];
}
static void message(int s, int send) {
  struct sockaddr_storage a;
  char data[256];
  union {
    struct cmsghdr h;
    unsigned char room[512];
  } c;
  struct iovec io[4];
  fill(&c, sizeof c);
  struct cmsghdr *h = &c.h;
  static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, 99};
  h->cmsg_len = rnd(3) ? CMSG_LEN(rnd(40)) : rnd(600);
  h->cmsg_level = levels[rnd(5)];
  h->cmsg_type = rnd(80);
  for (int i = 0; i < 4; i++) io[i] = (struct iovec){pointer(data), rnd(12) ? rnd(256) : (size_t)-1 >> rnd(40)};
  struct msghdr m = {.msg_name = pointer(&a), .msg_namelen = address(&a), .msg_iov = pointer(io), .msg_iovlen = rnd(20) ? rnd(5) : rnd(1 << 20), .msg_control = pointer(&c), .msg_controllen = rnd(3) ? CMSG_SPACE(rnd(64)) : rnd(100000), .msg_flags = rnd(1 << 16)};
  int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (rnd(2) ? 0 : (int)(rnd(1 << 16) & ~MSG_CMSG_CLOEXEC));
  if (rnd(6) == 0) {
    struct mmsghdr mm[3] = {{m}, {m}, {m}};
    send ? sendmmsg(s, mm, rnd(4), flags) : recvmmsg(s, mm, rnd(4), flags, NULL);
    return;
  }
  send ? sendmsg(s, pointer(&m), flags) : recvmsg(s, pointer(&m), flags);
}
static void option(int s) {
  static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, SOL_NETLINK, 12345};
  unsigned char value[64];
  fill(value, sizeof value);
  socklen_t n = rnd(10) ? rnd(64) : -rnd(3);
  int level = levels[rnd(7)], name = rnd(90);
  if (rnd(2)) setsockopt(s, level, name, pointer(value), n);
  else getsockopt(s, level, name, pointer(value), pointer(&n));
}
static void request(int s) {
  unsigned char q[256];
  fill(q, sizeof q);
  struct nlmsghdr *h = (void *)q;
  h->nlmsg_len = rnd(3) ? 16 + rnd(64) : rnd(100000);
  h->nlmsg_type = 16 + rnd(40);
  h->nlmsg_flags = rnd(0x800) | 1;
  send(s, q, rnd(256), MSG_DONTWAIT);
}
int main(void) {
  static const int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
  int s[24];
  alarm(25);
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < 24; i++) s[i] = -1;
  for (int i = 0; i < 12000; i++) {
    int at = rnd(24);
    struct sockaddr_storage a;
    socklen_t n;
    switch (s[at] < 0 ? 0 : rnd(14)) {
      case 0:
        if (s[at] >= 0) close(s[at]);
        s[at] = socket(families[rnd(4)], (1 + rnd(3)) | SOCK_NONBLOCK, rnd(4) ? 0 : rnd(20));
        break;
      case 1: n = address(&a); bind(s[at], pointer(&a), n); break;
      case 2: n = address(&a); connect(s[at], pointer(&a), n); break;
      case 3: listen(s[at], (int)rnd(10) - 2); break;
      case 4: n = address(&a); { int c = accept4(s[at], pointer(&a), pointer(&n), SOCK_NONBLOCK); if (c >= 0) close(c); } break;
      case 5: message(s[at], 1); break;
      case 6: message(s[at], 0); break;
      case 7: option(s[at]); break;
      case 8: shutdown(s[at], (int)rnd(5) - 1); break;
      case 9: n = address(&a); getsockname(s[at], pointer(&a), pointer(&n)); getpeername(s[at], pointer(&a), pointer(&n)); break;
      case 10: ioctl(s[at], rnd(3) ? 0x8900 + rnd(0x80) : 0x5411 + rnd(16), pointer(noise)); break;
      case 11: request(s[at]); break;
      case 12: { struct pollfd p = {s[at], (short)rnd(1 << 14), 0}; poll(&p, 1, 0); } break;
      case 13: n = address(&a); sendto(s[at], pointer(noise), rnd(70000), MSG_DONTWAIT | MSG_NOSIGNAL, pointer(&a), n); break;
    }
  }
  puts("survived");
  return 0;
}
