// SPDX-License-Identifier: Apache-2.0
// A network namespace of the case's own, with lo up, and veth pairs: the same on every machine.
#ifndef NET_H
#define NET_H
#include "case.h"
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

static inline void link_up(const char *name) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct ifreq r = {0};
  strcpy(r.ifr_name, name);
  NEED(ioctl(s, SIOCGIFFLAGS, &r));
  r.ifr_flags |= IFF_UP;
  NEED(ioctl(s, SIOCSIFFLAGS, &r));
  close(s);
}
static inline void own_network(void) {
  NEED(unshare(CLONE_NEWNET));
  link_up("lo");
}
static inline void add_address(const char *name, const char *ip, const char *mask) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct ifreq r = {0};
  struct sockaddr_in *a = (void *)&r.ifr_addr;
  strcpy(r.ifr_name, name);
  a->sin_family = AF_INET;
  inet_pton(AF_INET, ip, &a->sin_addr);
  NEED(ioctl(s, SIOCSIFADDR, &r));
  inet_pton(AF_INET, mask, &a->sin_addr);
  NEED(ioctl(s, SIOCSIFNETMASK, &r));
  close(s);
}

struct request {
  struct nlmsghdr h;
  union {
    struct ifinfomsg link;
    struct rtmsg route;
    struct rtgenmsg gen;
  };
  char rest[1024];
};
static inline struct rtattr *attribute(struct request *q, int type, const void *data, int length) {
  struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->h.nlmsg_len));
  a->rta_type = type;
  a->rta_len = RTA_LENGTH(length);
  if (data) memcpy(RTA_DATA(a), data, length);
  q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
  return a;
}
static inline void nest_end(struct request *q, struct rtattr *a) { a->rta_len = (char *)q + q->h.nlmsg_len - (char *)a; }
// Sends a request and returns the error it is acknowledged with.
static inline int ask(struct request *q) {
  char b[8192];
  int s = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  q->h.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  NEED(send(s, q, q->h.nlmsg_len, 0));
  NEED(recv(s, b, sizeof b, 0));
  close(s);
  struct nlmsghdr *h = (void *)b;
  return h->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(h))->error : 0;
}
static inline int add_veth(const char *name, const char *peer) {
  struct request q = {.h = {NLMSG_LENGTH(sizeof q.link), RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL}};
  attribute(&q, IFLA_IFNAME, name, strlen(name) + 1);
  struct rtattr *info = attribute(&q, IFLA_LINKINFO, 0, 0);
  attribute(&q, IFLA_INFO_KIND, "veth", 4);
  struct rtattr *data = attribute(&q, IFLA_INFO_DATA, 0, 0), *end = attribute(&q, VETH_INFO_PEER, 0, 0);
  struct ifinfomsg none = {0};
  memcpy((char *)&q + q.h.nlmsg_len, &none, sizeof none);
  q.h.nlmsg_len += sizeof none;
  attribute(&q, IFLA_IFNAME, peer, strlen(peer) + 1);
  nest_end(&q, end);
  nest_end(&q, data);
  nest_end(&q, info);
  return ask(&q);
}
static inline int change_link(const char *name, int attr, unsigned value) {
  struct request q = {.h = {NLMSG_LENGTH(sizeof q.link), RTM_NEWLINK}, .link = {.ifi_index = if_nametoindex(name)}};
  attribute(&q, attr, &value, 4);
  return ask(&q);
}
static inline int delete_link(const char *name) {
  struct request q = {.h = {NLMSG_LENGTH(sizeof q.link), RTM_DELLINK}, .link = {.ifi_index = if_nametoindex(name)}};
  return ask(&q);
}
static inline struct sockaddr_in ip4(const char *ip, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ip, &a.sin_addr);
  return a;
}
#endif
