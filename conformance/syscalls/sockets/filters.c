// SPDX-License-Identifier: Apache-2.0
// SO_ATTACH_FILTER: which programs are taken, what they see of a packet and what they leave of it, locks, and who has none.
#include "../inet_loopback/inet.h"
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <sys/un.h>

#define N(a) (sizeof(a) / sizeof(*(a)))
static int attach(int s, struct sock_filter *f, int n) {
  struct sock_fprog p = {n, f};
  return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p);
}
#define ATTACH(s, ...)                       \
  ({                                         \
    struct sock_filter f_[] = {__VA_ARGS__}; \
    attach(s, f_, N(f_));                    \
  })
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)

CASE(filter_programs) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct {
    const char *what;
    struct sock_filter f[3];
    int n;
  } t[] = {
      {"ret 0", {RET(0)}, 1},
      {"ret a", {BPF_STMT(BPF_RET | BPF_A, 0)}, 1},
      {"ret x", {BPF_STMT(BPF_RET | BPF_X, 0)}, 1},
      {"no ret", {BPF_STMT(BPF_LD | BPF_IMM, 1)}, 1},
      {"div 0", {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)}, 2},
      {"mod 0", {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 0), RET(0)}, 2},
      {"mod 3", {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0)}, 2},
      {"mod x", {BPF_STMT(BPF_ALU | BPF_MOD | BPF_X, 0), RET(0)}, 2},
      {"lsh 31", {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 31), RET(0)}, 2},
      {"lsh 32", {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0)}, 2},
      {"xor", {BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 1), RET(0)}, 2},
      {"alu b0", {BPF_STMT(BPF_ALU | 0xb0, 1), RET(0)}, 2},
      {"neg", {BPF_STMT(BPF_ALU | BPF_NEG, 0), RET(0)}, 2},
      {"neg x", {BPF_STMT(BPF_ALU | BPF_NEG | BPF_X, 0), RET(0)}, 2},
      {"ld mem unset", {BPF_STMT(BPF_LD | BPF_MEM, 3), RET(0)}, 2},
      {"st, ld mem", {BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), RET(0)}, 3},
      {"st 16", {BPF_STMT(BPF_ST, 16), RET(0)}, 2},
      {"stx 15", {BPF_STMT(BPF_STX, 15), RET(0)}, 2},
      {"ld b abs", {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 7), RET(0)}, 2},
      {"ld h ind", {BPF_STMT(BPF_LD | BPF_H | BPF_IND, 7), RET(0)}, 2},
      {"ld size 3", {BPF_STMT(BPF_LD | 0x18 | BPF_ABS, 7), RET(0)}, 2},
      {"ld msh", {BPF_STMT(BPF_LD | BPF_B | BPF_MSH, 7), RET(0)}, 2},
      {"ldx msh", {BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 7), RET(0)}, 2},
      {"ldx abs", {BPF_STMT(BPF_LDX | BPF_W | BPF_ABS, 7), RET(0)}, 2},
      {"ad protocol", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL), RET(0)}, 2},
      {"ad 2", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + 2), RET(0)}, 2},
      {"ad max", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_MAX), RET(0)}, 2},
      {"ad ind", {BPF_STMT(BPF_LD | BPF_W | BPF_IND, SKF_AD_OFF + 2), RET(0)}, 2},
      {"net", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF), RET(0)}, 2},
      {"jump out", {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), RET(0)}, 2},
      {"jump to last", {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0), RET(0)}, 2},
      {"ja out", {BPF_STMT(BPF_JMP | BPF_JA, 1), RET(0)}, 2},
      {"ja on", {BPF_STMT(BPF_JMP | BPF_JA, 0), RET(0)}, 2},
      {"jmp 50", {BPF_JUMP(BPF_JMP | 0x50, 1, 0, 0), RET(0)}, 2},
      {"code 0x106", {{0x106, 0, 0, 0}}, 1},
      {"misc 0x47", {BPF_STMT(0x47, 0), RET(0)}, 2},
  };
  for (unsigned i = 0; i < N(t); i++) {
    errno = 0;
    long r = attach(s, t[i].f, t[i].n);
    report_call(t[i].what, r, errno);
  }
}

CASE(filter_arguments) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  static struct sock_filter many[5000];
  for (unsigned i = 0; i < N(many); i++) many[i] = (struct sock_filter)RET(9);
  CALL(attach(s, many, 0));
  CALL(attach(s, many, 4096));
  CALL(attach(s, many, 4097));
  CALL(attach(s, NULL, 1));
  CALL(attach(s, BAD_POINTER, 1));
  struct sock_fprog p = {2, many};
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, 8));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, 17));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, 3));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, BAD_POINTER, 16));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, 16));
  struct sock_filter back[8];
  memset(back, 0x77, sizeof back);
  for (int n = 0; n < 5; n++) {
    socklen_t l = n;
    long r = CALL(getsockopt(s, SOL_SOCKET, SO_GET_FILTER, back, &l));
    say("%d: %d", n, r < 0 ? -1 : (int)l);
  }
  BYTES(back, 24);
  socklen_t l = 4;
  CALL(getsockopt(s, SOL_SOCKET, SO_GET_FILTER, BAD_POINTER, &l));
  int v = 0;
  CALL(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &v, 2));
  CALL(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
  l = 4;
  CALL(getsockopt(s, SOL_SOCKET, SO_GET_FILTER, back, &l));
  VAL(l);
}

CASE(filter_lock) {
  int s = NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), v = 1, z = 0;
  socklen_t l = 4;
  CALL(getsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &v, &l));
  VAL(v);
  v = 1;
  CALL(ATTACH(s, RET(1)));
  CALL(setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &z, 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &v, 4));
  CALL(ATTACH(s, RET(2)));
  CALL(ATTACH(s, BPF_STMT(BPF_LD | BPF_IMM, 1)));
  CALL(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &v, 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &z, 4));
  CALL(getsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &v, &l));
  VAL(v);
  int t = NEED(socket(AF_INET, SOCK_STREAM, 0));
  CALL(setsockopt(t, SOL_SOCKET, SO_LOCK_FILTER, &v, 4));
  CALL(ATTACH(t, RET(1)));
  CALL(setsockopt(t, SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
}

CASE(filter_ebpf) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0)), none = -1, p[2], zero = 0;
  NEED(pipe(p));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_BPF, &none, 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_BPF, &p[0], 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_BPF, &p[0], 8));
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &none, 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &zero, 4));
  int one = 1;
  NEED(setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, 4));
  CALL(setsockopt(s, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &zero, 4));
}

// Sends "0123456789abcdef" through a filter and says what comes out.
static void through(const char *what, int family, struct sock_filter *f, int n) {
  int a = NEED(socket(family, SOCK_DGRAM, 0)), b = NEED(socket(family, SOCK_DGRAM, 0));
  struct sockaddr_storage to = {0};
  socklen_t l = sizeof to;
  to.ss_family = family;
  if (family == AF_INET) ((struct sockaddr_in *)&to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else ((struct sockaddr_in6 *)&to)->sin6_addr = in6addr_loopback;
  NEED(bind(b, (void *)&to, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
  NEED(getsockname(b, (void *)&to, &l));
  NEED(attach(b, f, n));
  long sent = sendto(a, "0123456789abcdef", 16, 0, (void *)&to, l);
  char buf[64] = {0};
  struct iovec io = {buf, sizeof buf};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
  errno = 0;
  long got = recvmsg(b, &m, MSG_DONTWAIT);
  say("%s: sent %ld got %ld %s flags %x '%s'", what, sent, got, got < 0 ? errno_name(errno) : "", m.msg_flags, buf);
  close(a);
  close(b);
}
#define THROUGH(what, family, ...)               \
  do {                                           \
    struct sock_filter f_[] = {__VA_ARGS__};     \
    through(what, family, f_, N(f_));            \
  } while (0)
#define LOAD(size, k) BPF_STMT(BPF_LD | size | BPF_ABS, (unsigned)(k))
#define IS(k) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(k), 0, 1), RET(-1), RET(0)

CASE(filter_udp) {
  for (int six = 0; six < 2; six++) {
    int f = six ? AF_INET6 : AF_INET;
    say("-- family %d", f);
    THROUGH("all", f, RET(-1));
    THROUGH("none", f, RET(0));
    THROUGH("1", f, RET(1));
    THROUGH("8", f, RET(8));
    THROUGH("12", f, RET(12));
    THROUGH("24", f, RET(24));
    THROUGH("100", f, RET(100));
    THROUGH("udp length 24", f, LOAD(BPF_H, 4), IS(24));
    THROUGH("first byte", f, LOAD(BPF_B, 8), IS('0'));
    THROUGH("word", f, LOAD(BPF_W, 9), IS('1' << 24 | '2' << 16 | '3' << 8 | '4'));
    THROUGH("last byte", f, LOAD(BPF_B, 23), IS('f'));
    THROUGH("beyond", f, LOAD(BPF_B, 24), RET(-1));
    THROUGH("half beyond", f, LOAD(BPF_H, 23), RET(-1));
    THROUGH("len", f, BPF_STMT(BPF_LD | BPF_LEN, 0), IS(24));
    THROUGH("version", f, LOAD(BPF_B, SKF_NET_OFF), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4), IS(six ? 6 : 4));
    THROUGH("next header", f, LOAD(BPF_B, SKF_NET_OFF + (six ? 6 : 9)), IS(17));
    THROUGH("msh", f, BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, (unsigned)SKF_NET_OFF), BPF_STMT(BPF_MISC | BPF_TXA, 0), IS(six ? 0 : 20));
    THROUGH("link type", f, LOAD(BPF_H, SKF_LL_OFF + 12), IS(six ? 0x86dd : 0x800));
    THROUGH("protocol", f, LOAD(BPF_W, SKF_AD_OFF + SKF_AD_PROTOCOL), IS(six ? 0x86dd : 0x800));
    THROUGH("pkttype", f, LOAD(BPF_W, SKF_AD_OFF + SKF_AD_PKTTYPE), IS(0));
    THROUGH("ifindex", f, LOAD(BPF_W, SKF_AD_OFF + SKF_AD_IFINDEX), IS(1));
    THROUGH("hatype", f, LOAD(BPF_W, SKF_AD_OFF + SKF_AD_HATYPE), IS(772));
    THROUGH("mark", f, LOAD(BPF_W, SKF_AD_OFF + SKF_AD_MARK), IS(0));
    THROUGH("vlan", f, LOAD(BPF_W, SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT), IS(0));
    THROUGH("xor x", f, BPF_STMT(BPF_LDX | BPF_IMM, 5), BPF_STMT(BPF_LD | BPF_IMM, 9), LOAD(BPF_W, SKF_AD_OFF + SKF_AD_ALU_XOR_X), IS(12));
    THROUGH("ind", f, BPF_STMT(BPF_LDX | BPF_IMM, 8), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 3), IS('3'));
    THROUGH("mod", f, BPF_STMT(BPF_LD | BPF_IMM, 17), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 5), IS(2));
    THROUGH("div x 0", f, BPF_STMT(BPF_LDX | BPF_IMM, 0), BPF_STMT(BPF_LD | BPF_IMM, 17), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(-1));
    THROUGH("lsh x 33", f, BPF_STMT(BPF_LDX | BPF_IMM, 33), BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_ALU | BPF_LSH | BPF_X, 0), IS(2));
    THROUGH("mul", f, BPF_STMT(BPF_LD | BPF_IMM, 0x10001), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x10001), IS(0x20001));
    THROUGH("memory", f, BPF_STMT(BPF_LD | BPF_IMM, 77), BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LDX | BPF_MEM, 15), BPF_STMT(BPF_MISC | BPF_TXA, 0), IS(77));
    THROUGH("neg", f, BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_ALU | BPF_NEG, 0), IS(-1));
  }
}

CASE(filter_unix) {
  int types[] = {SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
  for (int i = 0; i < 3; i++) {
    int p[2];
    char b[32];
    NEED(socketpair(AF_UNIX, types[i], 0, p));
    say("-- type %d", types[i]);
    CALL(ATTACH(p[1], RET(0)));
    CALL(send(p[0], "hello", 5, 0));
    CALL(recv(p[1], b, sizeof b, MSG_DONTWAIT));
    CALL(ATTACH(p[1], RET(3)));
    CALL(send(p[0], "hello", 5, 0));
    CALL(recv(p[1], b, sizeof b, MSG_DONTWAIT));
    CALL(ATTACH(p[1], LOAD(BPF_B, 0), IS('x')));
    CALL(send(p[0], "hello", 5, 0));
    CALL(send(p[0], "xello", 5, 0));
    CALL(recv(p[1], b, sizeof b, MSG_DONTWAIT));
    CALL(send(p[0], "", 0, 0));
    CALL(recv(p[1], b, sizeof b, MSG_DONTWAIT));
    int v = 0;
    CALL(setsockopt(p[1], SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
    CALL(send(p[0], "hello", 5, 0));
    CALL(recv(p[1], b, sizeof b, MSG_DONTWAIT));
  }
}

CASE(filter_netlink) {
  int s = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  struct {
    struct nlmsghdr h;
    struct ifinfomsg i;
  } q = {{sizeof q, RTM_GETLINK, NLM_F_REQUEST, 1, 0}, {.ifi_index = 1}};
  char b[8192];
  CALL(ATTACH(s, RET(0)));
  CALL(send(s, &q, sizeof q, 0));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(ATTACH(s, RET(20)));
  CALL(send(s, &q, sizeof q, 0));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(ATTACH(s, LOAD(BPF_H, 4), IS(RTM_NEWLINK << 8)));
  CALL(send(s, &q, sizeof q, 0));
  YES(recv(s, b, sizeof b, MSG_DONTWAIT) > 0);
  q.i.ifi_index = 999999;
  CALL(send(s, &q, sizeof q, 0));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(ATTACH(s, BPF_STMT(BPF_LD | BPF_IMM, 32), BPF_STMT(BPF_LDX | BPF_IMM, 3), LOAD(BPF_W, SKF_AD_OFF + SKF_AD_NLATTR), BPF_STMT(BPF_RET | BPF_A, 0)));
  q.i.ifi_index = 1;
  CALL(send(s, &q, sizeof q, 0));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
}

CASE(filter_raw) {
  int s = NEED(socket(AF_INET, SOCK_RAW, 201)), t = NEED(socket(AF_INET, SOCK_RAW, 201));
  struct sockaddr_in a = loop(0);
  char b[64];
  CALL(ATTACH(s, LOAD(BPF_B, 20), IS('y')));
  CALL(sendto(t, "xyz", 3, 0, (void *)&a, sizeof a));
  CALL(sendto(t, "yyz", 3, 0, (void *)&a, sizeof a));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(ATTACH(s, LOAD(BPF_B, 9), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 201, 0, 1), RET(22), RET(0)));
  CALL(sendto(t, "xyz", 3, 0, (void *)&a, sizeof a));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  int s6 = NEED(socket(AF_INET6, SOCK_RAW, 201));
  struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  CALL(ATTACH(s6, LOAD(BPF_B, 0), IS('y')));
  CALL(sendto(s6, "xyz", 3, 0, (void *)&a6, sizeof a6));
  CALL(sendto(s6, "yyz", 3, 0, (void *)&a6, sizeof a6));
  CALL(recv(s6, b, sizeof b, MSG_DONTWAIT));
  CALL(recv(s6, b, sizeof b, MSG_DONTWAIT));
}

// The program of a group of sockets that share a port chooses who gets a datagram.
CASE(reuseport_program) {
  int s[3], one = 1;
  struct sockaddr_in a = loop(0);
  socklen_t l = sizeof a;
  struct sock_filter f[] = {LOAD(BPF_B, 0), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, '0'), BPF_STMT(BPF_RET | BPF_A, 0)};
  struct sock_fprog p = {3, f};
  for (int i = 0; i < 3; i++) {
    s[i] = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    if (i == 0) CALL(setsockopt(s[i], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof p));
    NEED(setsockopt(s[i], SOL_SOCKET, SO_REUSEPORT, &one, 4));
    NEED(bind(s[i], (void *)&a, sizeof a));
    NEED(getsockname(s[i], (void *)&a, &l));
  }
  CALL(setsockopt(s[1], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, 8));
  CALL(setsockopt(s[1], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof p));
  int c = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  char b[8];
  for (int i = 0; i < 3; i++) {
    b[0] = '0' + i;
    NEED(sendto(c, b, 1, 0, (void *)&a, sizeof a));
    for (int j = 0; j < 3; j++) {
      errno = 0;
      long r = recv(s[j], b, 8, MSG_DONTWAIT);
      say("to %d at %d: %ld", i, j, r);
    }
  }
  CALL(setsockopt(s[2], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &one, 4));
  CALL(setsockopt(s[2], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &one, 4));
}

// A listener whose filter drops everything is connected to by nobody.
CASE(filter_tcp) {
  struct sockaddr_in a;
  int l = bound(SOCK_STREAM, &a), c = NEED(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  NEED(listen(l, 4));
  CALL(ATTACH(l, RET(0)));
  CALL(connect(c, (void *)&a, sizeof a));
  struct pollfd q = {c, POLLOUT, 0};
  CALL(poll(&q, 1, 30));
  CALL(connect(c, (void *)&a, sizeof a));
  int v = 0;
  CALL(setsockopt(l, SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
  CALL(poll(&q, 1, 5000));
  VAL(q.revents);
  int s = NEED(accept(l, 0, 0));
  char b[16];
  CALL(ATTACH(s, LOAD(BPF_B, 12), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2), BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0), IS('x')));
  CALL(send(c, "hello", 5, 0));
  struct pollfd r = {s, POLLIN, 0};
  CALL(poll(&r, 1, 20));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
  CALL(poll(&r, 1, 5000));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
}
