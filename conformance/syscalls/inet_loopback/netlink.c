// SPDX-License-Identifier: Apache-2.0
// AF_NETLINK: names, requests, errors; what is asked of lo.
#include "inet.h"
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

struct request {
  struct nlmsghdr h;
  union {
    struct rtgenmsg g;
    struct ifinfomsg i;
    struct rtmsg r;
    char room[64];
  };
};
static int route_socket(void) { return NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)); }
static void ask(int s, struct request *q, int type, int flags, int length) {
  q->h = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(length), .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = 42};
  CALL(send(s, q, q->h.nlmsg_len, 0));
}
static void error_of(int s) {
  char b[16384];
  int n = recv(s, b, sizeof b, MSG_DONTWAIT);
  if (n < 0) {
    say("no answer: %s", errno_name(errno));
    return;
  }
  struct nlmsghdr *h = (void *)b;
  if (h->nlmsg_type == NLMSG_ERROR) say("error %s sequence %u", errno_name(-((struct nlmsgerr *)NLMSG_DATA(h))->error), h->nlmsg_seq);
  else say("answer type %d sequence %u multi %d", h->nlmsg_type, h->nlmsg_seq, h->nlmsg_flags & NLM_F_MULTI);
}
CASE(netlink_names) {
  int s = route_socket();
  struct sockaddr_nl a = {0}, b = {.nl_family = AF_NETLINK};
  socklen_t n = sizeof a;
  CALL(getsockname(s, (void *)&a, &n));
  VAL(a.nl_pid);
  CALL(bind(s, (void *)&b, sizeof b));
  n = sizeof a;
  CALL(getsockname(s, (void *)&a, &n));
  VAL(n);
  YES(a.nl_pid == (unsigned)getpid());
  CALL(bind(s, (void *)&b, 4));
  b.nl_family = AF_INET;
  CALL(bind(s, (void *)&b, sizeof b));
  int t = route_socket();
  b.nl_family = AF_NETLINK;
  CALL(bind(t, (void *)&b, sizeof b));
  n = sizeof a;
  CALL(getsockname(t, (void *)&a, &n));
  YES(a.nl_pid != (unsigned)getpid() && a.nl_pid != 0);
  b.nl_pid = getpid();
  CALL(bind(route_socket(), (void *)&b, sizeof b));
  CALL(listen(s, 1));
  CALL(accept(s, 0, 0));
  CALL(socket(AF_NETLINK, SOCK_STREAM, 0));
  CALL(socket(AF_NETLINK, SOCK_RAW, 63));
  OK(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT));
}
CASE(netlink_requests) {
  int s = route_socket();
  struct request q;
  memset(&q, 0, sizeof q);
  ask(s, &q, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sizeof q.g);
  error_of(s);
  close(s);
  s = route_socket();
  q.i.ifi_index = 1;
  ask(s, &q, RTM_GETLINK, NLM_F_REQUEST, sizeof q.i);
  error_of(s);
  q.i.ifi_index = 7777;
  ask(s, &q, RTM_GETLINK, NLM_F_REQUEST, sizeof q.i);
  error_of(s);
  q.i.ifi_index = 0;
  ask(s, &q, RTM_GETLINK, NLM_F_REQUEST, sizeof q.i);
  error_of(s);
  ask(s, &q, RTM_GETLINK, 0, sizeof q.i);
  error_of(s);
  ask(s, &q, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, sizeof q.g);
  error_of(s);
  ask(s, &q, 5000, NLM_F_REQUEST, sizeof q.g);
  error_of(s);
  q.h.nlmsg_len = 4;
  CALL(send(s, &q, 16, 0));
  error_of(s);
  q.h.nlmsg_len = 4000;
  CALL(send(s, &q, 40, 0));
  error_of(s);
  CALL(send(s, &q, 3, 0));
  error_of(s);
}
CASE(netlink_changes_without_privilege) {
  become(1000);
  int s = route_socket();
  struct request q;
  memset(&q, 0, sizeof q);
  q.i.ifi_index = 1;
  ask(s, &q, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, sizeof q.i);
  error_of(s);
  ask(s, &q, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK, sizeof(struct ifaddrmsg));
  error_of(s);
}
CASE(interface_addresses) {
  struct ifaddrs *all, *i;
  CALL(getifaddrs(&all));
  for (i = all; i; i = i->ifa_next) {
    if (strcmp(i->ifa_name, "lo") || !i->ifa_addr) continue;
    char text[64] = "";
    if (i->ifa_addr->sa_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text, sizeof text);
    if (i->ifa_addr->sa_family == AF_INET6) inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, text, sizeof text);
    say("lo family %d flags %x %s", i->ifa_addr->sa_family, i->ifa_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING), text);
  }
  freeifaddrs(all);
}
