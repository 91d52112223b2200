// SPDX-License-Identifier: Apache-2.0
// Raw ICMP sockets on loopback: echo requests and their answers, filters, headers.
#include "../inet_loopback/inet.h"
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>

static unsigned short sum(const void *data, int n) {
  const unsigned char *p = data;
  unsigned long s = 0;
  for (int i = 0; i < n; i += 2) s += p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
  while (s >> 16) s = (s >> 16) + (s & 0xffff);
  return htons(~s & 0xffff);
}
static void echo_request(int s, int sequence, int good) {
  struct {
    struct icmphdr h;
    char data[8];
  } q = {{.type = ICMP_ECHO}, "payload"};
  struct sockaddr_in a = loop(0);
  q.h.un.echo.id = htons(getpid() & 0xffff);
  q.h.un.echo.sequence = htons(sequence);
  q.h.checksum = good ? sum(&q, sizeof q) : 0x1234;
  CALL(sendto(s, &q, sizeof q, 0, (void *)&a, sizeof a));
}
// The next packet that carries our identifier.
static void take(int s) {
  char b[256];
  struct sockaddr_in from;
  for (int i = 0; i < 100; i++) {
    socklen_t n = sizeof from;
    errno = 0;
    long r = recvfrom(s, b, sizeof b, MSG_DONTWAIT, (void *)&from, &n);
    if (r < 0 && i < 20) {
      sleep_ms(2);
      continue;
    }
    if (r < 0) {
      say("nothing: %s", errno_name(errno));
      return;
    }
    struct iphdr *ip = (void *)b;
    struct icmphdr *h = (void *)(b + ip->ihl * 4);
    if (h->un.echo.id != htons(getpid() & 0xffff)) continue;
    say("%ld bytes from %s port %d: version %d ihl %d tot %d proto %d ttl %d, type %d code %d seq %d data %s, sums good %d %d", r, inet_ntoa(from.sin_addr), ntohs(from.sin_port), ip->version, ip->ihl, ntohs(ip->tot_len), ip->protocol, ip->ttl, h->type, h->code, ntohs(h->un.echo.sequence), (char *)(h + 1), sum(ip, ip->ihl * 4) == 0, sum(h, r - ip->ihl * 4) == 0);
    return;
  }
}
CASE(raw_echo) {
  int s = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  echo_request(s, 1, 1);
  take(s);
  take(s);
  take(s);
  echo_request(s, 2, 0);
  take(s);
  take(s);
}
CASE(raw_filter) {
  int s = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  struct icmp_filter f = {~(1u << ICMP_ECHOREPLY)}, g;
  socklen_t n = sizeof g;
  CALL(setsockopt(s, SOL_RAW, ICMP_FILTER, &f, sizeof f));
  CALL(getsockopt(s, SOL_RAW, ICMP_FILTER, &g, &n));
  say("%x %d", g.data, n);
  echo_request(s, 1, 1);
  take(s);
  take(s);
}
CASE(raw_bound) {
  int s = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)), other = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  struct sockaddr_in a = loop(99), b = loop(0);
  socklen_t n = sizeof b;
  b.sin_addr.s_addr = htonl(0x7f000005);
  CALL(bind(s, (void *)&a, sizeof a));
  CALL(bind(other, (void *)&b, sizeof b));
  getsockname(s, (void *)&b, &n);
  say("port %d", ntohs(b.sin_port));
  CALL(connect(s, (void *)&a, sizeof a));
  n = sizeof b;
  CALL(getpeername(s, (void *)&b, &n));
  echo_request(s, 4, 1);
  take(s);
  take(s);
  take(other);
}
CASE(raw_errors) {
  struct sockaddr_in a = loop(0);
  char b[70000] = "";
  CALL(socket(AF_INET, SOCK_RAW, 0));
  CALL(socket(AF_INET, SOCK_RAW, 300));
  int s = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  CALL(send(s, b, 8, 0));
  CALL(sendto(s, b, 70000, 0, (void *)&a, sizeof a));
  CALL(sendto(s, b, 8, MSG_OOB, (void *)&a, sizeof a));
  CALL(listen(s, 1));
  a.sin_family = AF_INET6;
  CALL(sendto(s, b, 8, 0, (void *)&a, sizeof a));
  CALL(sendto(s, b, 8, 0, (void *)&a, 4));
  NEED(setresuid(65534, 65534, 65534));
  CALL(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  CALL(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  CALL(socket(AF_PACKET, SOCK_RAW, 0));
}
CASE(raw_echo_ipv6) {
  int s = NEED(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  struct icmp6_filter f;
  struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct icmp6_hdr q = {.icmp6_type = ICMP6_ECHO_REQUEST}, r;
  ICMP6_FILTER_SETBLOCKALL(&f);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f);
  CALL(setsockopt(s, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof f));
  q.icmp6_id = htons(getpid() & 0xffff);
  CALL(sendto(s, &q, sizeof q, 0, (void *)&a, sizeof a));
  for (int i = 0; i < 100; i++) {
    long n = recv(s, &r, sizeof r, MSG_DONTWAIT);
    if (n == sizeof r && r.icmp6_id == q.icmp6_id) {
      say("answer type %d code %d", r.icmp6_type, r.icmp6_code);
      return;
    }
    sleep_ms(2);
  }
  say("no answer");
}
