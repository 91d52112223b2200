// SPDX-License-Identifier: Apache-2.0
// Socket options: what they are at first, what values they take, what of them is kept, values that are too short.
#include "../inet_loopback/inet.h"
#include <net/if.h>
#include <netinet/udp.h>

static const int SOCKET_NAMES[] = {SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_NO_CHECK, SO_LINGER, SO_REUSEPORT, SO_RCVTIMEO, SO_SNDTIMEO, SO_TIMESTAMP, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN, SO_RXQ_OVFL, SO_PEEK_OFF, SO_BUSY_POLL, SO_ZEROCOPY, SO_TXTIME, SO_BINDTODEVICE, SO_SNDLOWAT, SO_BSDCOMPAT, SO_SELECT_ERR_QUEUE, SO_LOCK_FILTER, 9999, -1};
static const int IP_NAMES[] = {IP_TOS, IP_TTL, IP_RECVOPTS, IP_RETOPTS, IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_MTU, IP_FREEBIND, IP_RECVORIGDSTADDR, IP_MINTTL, IP_BIND_ADDRESS_NO_PORT, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_MULTICAST_ALL, 9999, -1};
static const int IPV6_NAMES[] = {IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_V6ONLY, IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_TCLASS, IPV6_DONTFRAG, IPV6_RECVRTHDR, IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, 9999, -1};
static const int TCP_NAMES[] = {TCP_NODELAY, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT, TCP_WINDOW_CLAMP, TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_FASTOPEN, TCP_NOTSENT_LOWAT, TCP_INQ, TCP_SAVE_SYN, 9999, -1};
static const int UDP_NAMES[] = {UDP_CORK, UDP_SEGMENT, UDP_GRO, 9999, -1};

static void show(int s, int level, int name) {
  unsigned char b[64];
  char text[64] = "";
  socklen_t n = sizeof b;
  memset(b, 0xee, sizeof b);
  errno = 0;
  if (getsockopt(s, level, name, b, &n) != 0) say("%d/%d: %s", level, name, errno_name(errno));
  else if (n == 4) say("%d/%d: %d", level, name, *(int *)b);
  else {
    for (unsigned i = 0; i < n && i < 16; i++) sprintf(text + 2 * i, "%02x", b[i]);
    say("%d/%d: %d bytes %s", level, name, n, text);
  }
}
static void put(int s, int level, int name, int value, int length) {
  char b[16] = "";
  memcpy(b, &value, 4);
  errno = 0;
  int r = setsockopt(s, level, name, b, length);
  say("%d/%d = %d (%d): %s", level, name, value, length, r ? errno_name(errno) : "ok");
}
static void survey(int family, int type, int level, const int *names) {
  static const int values[] = {1, 0, -1, 5, 100000};
  for (; *names >= 0; names++) {
    int s = NEED(socket(family, type, 0));
    show(s, level, *names);
    for (int i = 0; i < 5; i++) {
      put(s, level, *names, values[i], 4);
      show(s, level, *names);
    }
    put(s, level, *names, 1, 1);
    put(s, level, *names, 1, 0);
    put(s, level, *names, 1, 3);
    put(s, level, *names, 1, 16);
    put(s, level, *names, 1, -1);
    close(s);
  }
}
CASE(options_socket_tcp) { survey(AF_INET, SOCK_STREAM, SOL_SOCKET, SOCKET_NAMES); }
CASE(options_socket_udp) { survey(AF_INET6, SOCK_DGRAM, SOL_SOCKET, SOCKET_NAMES); }
CASE(options_socket_unix) { survey(AF_UNIX, SOCK_STREAM, SOL_SOCKET, SOCKET_NAMES); }
CASE(options_ip_tcp) { survey(AF_INET, SOCK_STREAM, IPPROTO_IP, IP_NAMES); }
CASE(options_ip_udp) { survey(AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_NAMES); }
CASE(options_ip_of_ipv6) { survey(AF_INET6, SOCK_DGRAM, IPPROTO_IP, IP_NAMES); }
CASE(options_ipv6_tcp) { survey(AF_INET6, SOCK_STREAM, IPPROTO_IPV6, IPV6_NAMES); }
CASE(options_ipv6_udp) { survey(AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_NAMES); }
CASE(options_ipv6_of_ipv4) { survey(AF_INET, SOCK_DGRAM, IPPROTO_IPV6, IPV6_NAMES); }
CASE(options_tcp) { survey(AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NAMES); }
CASE(options_tcp_of_udp) { survey(AF_INET, SOCK_DGRAM, IPPROTO_TCP, TCP_NAMES); }
CASE(options_udp) { survey(AF_INET, SOCK_DGRAM, IPPROTO_UDP, UDP_NAMES); }
CASE(options_tcp_of_unix) { survey(AF_UNIX, SOCK_STREAM, IPPROTO_TCP, TCP_NAMES); }
CASE(options_device) {
  char name[IFNAMSIZ + 4] = "";
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  socklen_t n = sizeof name;
  CALL(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8));
  CALL(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
  CALL(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, &n));
  say("%s %d", name, n);
  CALL(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
  CALL(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
  n = sizeof name;
  CALL(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, &n));
  say("%d", n);
}
CASE(options_congestion) {
  char name[20] = "";
  socklen_t n = sizeof name;
  int s = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
  CALL(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &n));
  say("%s %d", name, n);
  CALL(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6));
  CALL(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "cubic\0more", 10));
  n = 3;
  CALL(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &n));
  say("%.3s %d", name, n);
  CALL(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "", 0));
}
CASE(options_connected) {
  struct pair p = tcp_pair();
  int v;
  socklen_t n = sizeof v;
  struct tcp_info i;
  CALL(getsockopt(p.client, IPPROTO_IP, IP_MTU, &v, &n));
  VAL(v);
  n = sizeof i;
  CALL(getsockopt(p.client, IPPROTO_TCP, TCP_INFO, &i, &n));
  VAL(i.tcpi_state);
  n = sizeof v;
  CALL(getsockopt(p.server, SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
  VAL(v);
  n = 2;
  CALL(getsockopt(p.server, SOL_SOCKET, SO_TYPE, &v, &n));
  VAL(n);
  n = -1;
  CALL(getsockopt(p.server, SOL_SOCKET, SO_TYPE, &v, &n));
  CALL(getsockopt(p.server, SOL_SOCKET, SO_TYPE, &v, 0));
  CALL(getsockopt(p.server, SOL_SOCKET, SO_TYPE, (void *)8, &n));
  CALL(setsockopt(p.server, SOL_SOCKET, SO_KEEPALIVE, (void *)8, 4));
}
