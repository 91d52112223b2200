// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static struct sockaddr_in at(const char *ip, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ip, &a.sin_addr);
  return a;
}
static long with(long (*f)(int, const struct sockaddr *, socklen_t), int fd, const char *ip, int port) {
  struct sockaddr_in a = at(ip, port);
  return f(fd, (void *)&a, sizeof a);
}
static long do_bind(int fd, const struct sockaddr *a, socklen_t n) { return bind(fd, a, n); }
static long do_connect(int fd, const struct sockaddr *a, socklen_t n) { return connect(fd, a, n); }
static int tcp(void) { return NEED(socket(AF_INET, SOCK_STREAM, 0)); }
static void show_links(void) {
  struct if_nameindex *all = if_nameindex();
  for (struct if_nameindex *i = all; i && i->if_index; i++) say("link %d %s", i->if_index, i->if_name);
  struct ifreq r = {.ifr_name = "lo"};
  int s = tcp();
  CALL(ioctl(s, SIOCGIFFLAGS, &r));
  say("flags %x", r.ifr_flags & 0xffff);
  CALL(ioctl(s, SIOCGIFADDR, &r));
  close(s);
}
static long lo_up(void) {
  int s = tcp();
  struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  long n = ioctl(s, SIOCSIFFLAGS, &r);
  int e = errno;
  close(s);
  errno = e;
  return n;
}
static long lo_up_netlink(void) {
  int s = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  struct { struct nlmsghdr h; struct ifinfomsg i; } m = {{sizeof m, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP}};
  struct { struct nlmsghdr h; struct nlmsgerr e; } r;
  NEED(send(s, &m, sizeof m, 0));
  NEED(recv(s, &r, sizeof r, 0));
  close(s);
  errno = -r.e.error;
  return r.e.error ? -1 : 0;
}
CASE(netns_fresh) {
  CALL(unshare(CLONE_NEWNET));
  show_links();
  int s = tcp(), u = socket(AF_INET, SOCK_DGRAM, 0);
  CALL(with(do_bind, s, "127.0.0.1", 4000));
  CALL(with(do_bind, s, "0.0.0.0", 4000));
  CALL(listen(s, 5));
  CALL(with(do_connect, tcp(), "127.0.0.1", 4000));
  struct sockaddr_in to = at("127.0.0.1", 5000);
  CALL(sendto(u, "x", 1, 0, (void *)&to, sizeof to));
  CALL(lo_up_netlink());
  show_links();
  int c = tcp();
  CALL(with(do_connect, c, "127.0.0.1", 4000));
  int a = accept(s, NULL, NULL);
  CALL(write(c, "hello", 5));
  char b[8] = "";
  CALL(read(a, b, 8));
  STR(b);
  CALL(with(do_connect, tcp(), "127.0.0.1", 4001));
  CALL(with(do_connect, tcp(), "8.8.8.8", 53));
}
CASE(netns_ports_apart) {
  NEED(unshare(CLONE_NEWNET)), NEED(lo_up_netlink());
  int s = tcp();
  CALL(with(do_bind, s, "127.0.0.1", 4100));
  CALL(listen(s, 5));
  if (fork() == 0) {
    CALL(with(do_bind, tcp(), "127.0.0.1", 4100));
    NEED(unshare(CLONE_NEWNET));
    CALL(lo_up_netlink());
    CALL(with(do_connect, tcp(), "127.0.0.1", 4100));
    CALL(with(do_bind, tcp(), "127.0.0.1", 4100));
    _exit(0);
  }
  wait(NULL);
  // A socket stays in the namespace it was made in.
  int c = tcp();
  NEED(unshare(CLONE_NEWNET));
  CALL(with(do_connect, c, "127.0.0.1", 4100));
}
CASE(netns_abstract_names) {
  struct sockaddr_un a = {AF_UNIX, "\0netns_test_name"};
  socklen_t n = sizeof(sa_family_t) + 16;
  int s = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  CALL(bind(s, (void *)&a, n));
  CALL(listen(s, 5));
  CALL(connect(NEED(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&a, n));
  CALL(unshare(CLONE_NEWNET));
  CALL(connect(NEED(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&a, n));
  CALL(bind(NEED(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&a, n));
}
CASE(netns_in_userns) {
  become(1000);
  CALL(unshare(CLONE_NEWNET));
  CALL(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  CALL(lo_up());
  CALL(unshare(CLONE_NEWUSER));
  CALL(lo_up());
  CALL(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  CALL(unshare(CLONE_NEWNET));
  OK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  CALL(with(do_bind, tcp(), "0.0.0.0", 80));
  CALL(lo_up_netlink());
  CALL(with(do_bind, tcp(), "127.0.0.1", 81));
}
CASE(netns_setns) {
  int own = NEED(open("/proc/self/ns/net", O_RDONLY));
  struct stat a, b;
  fstat(own, &a);
  CALL(unshare(CLONE_NEWNET));
  stat("/proc/self/ns/net", &b);
  YES(a.st_ino != b.st_ino);
  CALL(lo_up_netlink());
  int s = tcp();
  CALL(with(do_bind, s, "127.0.0.1", 4200)), CALL(listen(s, 5));
  FILE *f = fopen("/proc/net/tcp", "r");
  char line[256];
  int lines = 0;
  while (fgets(line, sizeof line, f)) lines++;
  VAL(lines);
  CALL(setns(own, CLONE_NEWUTS));
  CALL(setns(own, CLONE_NEWNET));
  stat("/proc/self/ns/net", &b);
  YES(a.st_ino == b.st_ino);
  CALL(with(do_connect, tcp(), "127.0.0.1", 4200));
}
// Settings of the network are each namespace's own.
CASE(netns_sysctls) {
  char text[16] = "";
  const char *path = "/proc/sys/net/ipv4/conf/lo/tag";
  NEED(unshare(CLONE_NEWNET));
  int fd = NEED(open(path, O_RDWR));
  CALL(write(fd, "7", 1));
  CHILD(unshare(CLONE_NEWNET); int f = open(path, O_RDONLY); char t[16] = ""; CALL(read(f, t, 15)); STR(t));
  CALL(pread(fd, text, 15, 0));
  STR(text);
  CALL(write(fd, "x", 1));
}
