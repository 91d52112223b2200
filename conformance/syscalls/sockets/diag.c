// SPDX-License-Identifier: Apache-2.0
// Asking about sockets: sock_diag, /proc/net, and netlink messages that are not well formed.
#include "../inet_loopback/inet.h"
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/un.h>

static int diag_socket(void) { return NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG)); }
static void ask_inet(int d, int port, unsigned states) {
  struct {
    struct nlmsghdr h;
    struct inet_diag_req_v2 r;
  } q = {{sizeof q, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 7, 0}, {AF_INET, IPPROTO_TCP, 0, 0, states, {0}}};
  static char b[1 << 16];
  NEED(send(d, &q, sizeof q, 0));
  for (;;) {
    long n = NEED(recv(d, b, sizeof b, 0));
    for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type == NLMSG_DONE) return;
      if (h->nlmsg_type == NLMSG_ERROR) {
        say("error %s", errno_name(-((struct nlmsgerr *)NLMSG_DATA(h))->error));
        return;
      }
      struct inet_diag_msg *m = NLMSG_DATA(h);
      if (ntohs(m->id.idiag_sport) == port || ntohs(m->id.idiag_dport) == port)
        say("seq %d state %d own %d r %d w %d uid %d ino %d", h->nlmsg_seq, m->idiag_state, ntohs(m->id.idiag_sport) == port, m->idiag_rqueue, m->idiag_wqueue, m->idiag_uid, m->idiag_inode != 0);
    }
  }
}
CASE(diag_tcp) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a), d = diag_socket(), port = ntohs(a.sin_port);
  NEED(listen(l, 9));
  say("listening");
  ask_inet(d, port, 1 << 10);
  int c = NEED(socket(AF_INET, SOCK_STREAM, 0));
  NEED(connect(c, (void *)&a, sizeof a));
  NEED(write(c, "abc", 3));
  sleep_ms(20);
  say("one waits");
  ask_inet(d, port, 1 << 10);
  int s = NEED(accept(l, 0, 0));
  say("accepted");
  ask_inet(d, port, 1 << 10);
  say("half closed");
  shutdown(s, SHUT_WR);
  sleep_ms(20);
  ask_inet(d, port, 1 << 8);
  ask_inet(d, port, 1 << 5);
  say("none of these");
  ask_inet(d, port, 1 << 2);
}
CASE(diag_unix) {
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "here"};
  int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), d = diag_socket();
  NEED(bind(l, (void *)&a, sizeof a));
  NEED(listen(l, 3));
  int c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  NEED(connect(c, (void *)&a, sizeof a));
  struct stat st;
  fstat(l, &st);
  struct {
    struct nlmsghdr h;
    struct unix_diag_req r;
  } q = {{sizeof q, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 8, 0}, {AF_UNIX, 0, 0, -1u, st.st_ino, UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN, {-1u, -1u}}};
  static char b[8192];
  NEED(send(d, &q, sizeof q, 0));
  long n = NEED(recv(d, b, sizeof b, 0));
  struct nlmsghdr *h = (void *)b;
  struct unix_diag_msg *m = NLMSG_DATA(h);
  say("type %d: family %d type %d state %d ino %d", h->nlmsg_type, m->udiag_family, m->udiag_type, m->udiag_state, m->udiag_ino == st.st_ino);
  struct rtattr *r = (void *)(m + 1);
  for (long left = n - NLMSG_LENGTH(sizeof *m); RTA_OK(r, left); r = RTA_NEXT(r, left)) {
    if (r->rta_type == UNIX_DIAG_NAME) say("name %.*s", (int)RTA_PAYLOAD(r), (char *)RTA_DATA(r));
    if (r->rta_type == UNIX_DIAG_RQLEN) say("lengths %d %d", ((int *)RTA_DATA(r))[0], ((int *)RTA_DATA(r))[1]);
  }
  q.r.udiag_ino = 4294967290u;
  NEED(send(d, &q, sizeof q, 0));
  NEED(recv(d, b, sizeof b, 0));
  say("no such: %d %s", h->nlmsg_type, errno_name(-((struct nlmsgerr *)NLMSG_DATA(h))->error));
}
static void reply(int d, const char *what) {
  char b[8192];
  errno = 0;
  long n = recv(d, b, sizeof b, MSG_DONTWAIT);
  struct nlmsghdr *h = (void *)b;
  if (n < 0) say("%s: %s", what, errno_name(errno));
  else if (h->nlmsg_type == NLMSG_ERROR) say("%s: error %s, seq %d", what, errno_name(-((struct nlmsgerr *)NLMSG_DATA(h))->error), h->nlmsg_seq);
  else say("%s: type %d", what, h->nlmsg_type);
}
CASE(netlink_malformed) {
  int d = diag_socket(), r = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  char b[128] = {0};
  struct nlmsghdr *h = (void *)b;
  CALL(send(r, b, 3, 0));
  reply(r, "three bytes");
  *h = (struct nlmsghdr){10, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
  CALL(send(r, b, 16, 0));
  reply(r, "short length");
  *h = (struct nlmsghdr){200, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
  CALL(send(r, b, 32, 0));
  reply(r, "length beyond");
  *h = (struct nlmsghdr){16, 5000, NLM_F_REQUEST | NLM_F_ACK, 2, 0};
  CALL(send(r, b, 16, 0));
  reply(r, "unknown type");
  *h = (struct nlmsghdr){17, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 3, 0};
  CALL(send(r, b, 17, 0));
  reply(r, "short body");
  *h = (struct nlmsghdr){16, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 4, 0};
  CALL(send(d, b, 16, 0));
  reply(d, "diag without body");
  *h = (struct nlmsghdr){20, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 5, 0};
  b[16] = AF_INET;
  CALL(send(d, b, 20, 0));
  reply(d, "diag short");
  b[16] = 99;
  CALL(send(d, b, 20, 0));
  reply(d, "diag family");
  *h = (struct nlmsghdr){16, 99, NLM_F_REQUEST, 6, 0};
  CALL(send(d, b, 16, 0));
  reply(d, "diag type");
  *h = (struct nlmsghdr){16, RTM_GETLINK, 0, 7, 0};
  CALL(send(r, b, 16, 0));
  reply(r, "no request");
  h->nlmsg_flags = NLM_F_ACK;
  CALL(send(r, b, 16, 0));
  reply(r, "no request, acknowledged");
  *h = (struct nlmsghdr){16, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 8, 0};
  CALL(send(r, b, 16, 0));
  reply(r, "noop");
  struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = 123456789};
  CALL(sendto(r, b, 16, 0, (void *)&to, sizeof to));
  CALL(sendto(r, b, 16, 0, (void *)&to, 4));
  to.nl_family = AF_INET;
  CALL(sendto(r, b, 16, 0, (void *)&to, sizeof to));
}
CASE(netlink_changes_refused) {
  int r = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  struct {
    struct nlmsghdr h;
    struct ifinfomsg i;
  } q = {{sizeof q, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {0}};
  q.i.ifi_index = 987654;
  CALL(send(r, &q, sizeof q, 0));
  reply(r, "no such interface");
  NEED(setresuid(65534, 65534, 65534));
  CALL(send(r, &q, sizeof q, 0));
  reply(r, "not allowed");
}
CASE(netlink_options) {
  int r = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)), v, group = RTNLGRP_LINK;
  struct sockaddr_nl a;
  socklen_t n = sizeof a;
  CALL(setsockopt(r, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
  group = 5;
  CALL(setsockopt(r, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
  getsockname(r, (void *)&a, &n);
  say("groups %x", a.nl_groups);
  CALL(setsockopt(r, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group));
  getsockname(r, (void *)&a, &n);
  say("groups %x", a.nl_groups);
  group = 100000;
  CALL(setsockopt(r, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
  group = 1;
  for (int name = NETLINK_PKTINFO; name <= NETLINK_GET_STRICT_CHK; name++) {
    if (name == NETLINK_RX_RING || name == NETLINK_TX_RING || name == NETLINK_LISTEN_ALL_NSID || name == NETLINK_LIST_MEMBERSHIPS) continue;
    n = sizeof v;
    say("option %d", name);
    CALL(getsockopt(r, SOL_NETLINK, name, &v, &n));
    CALL(setsockopt(r, SOL_NETLINK, name, &group, 4));
    CALL(getsockopt(r, SOL_NETLINK, name, &v, &n));
    VAL(v);
  }
  CALL(setsockopt(r, SOL_NETLINK, 99, &group, 4));
  CALL(setsockopt(r, SOL_NETLINK, NETLINK_EXT_ACK, &group, 2));
  CALL(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE));
  CALL(socket(AF_NETLINK, SOCK_RAW, 77));
  OK(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT));
}
