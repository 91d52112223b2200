// SPDX-License-Identifier: Apache-2.0
// AF_PACKET: who may have them, what they see on lo and on a veth pair, what they send, options, rings.
#include "net.h"
#include <linux/capability.h>
#include <linux/filter.h>
#include <sys/prctl.h>

static int packet(int type, int protocol) { return NEED(socket(AF_PACKET, type, htons(protocol))); }
static struct sockaddr_ll ll(const char *name, int protocol) {
  return (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = name ? if_nametoindex(name) : 0};
}
// Says what the socket has next.
static void take(int s) {
  unsigned char b[2048];
  struct sockaddr_ll a = {0};
  socklen_t n = sizeof a;
  errno = 0;
  long r = recvfrom(s, b, sizeof b, MSG_DONTWAIT, (void *)&a, &n);
  if (r < 0) {
    say("nothing: %s", errno_name(errno));
    return;
  }
  char name[IFNAMSIZ] = "?";
  if_indextoname(a.sll_ifindex, name);
  say("%ld bytes, address %d: family %d protocol %04x if %s hatype %d type %d halen %d; first %02x %02x, [12] %02x%02x", r, n, a.sll_family, ntohs(a.sll_protocol), name, a.sll_hatype, a.sll_pkttype, a.sll_halen, b[0], b[1], b[12], b[13]);
}
static void udp(const char *ip, int port, const char *data) {
  int s = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct sockaddr_in a = ip4(ip, port);
  NEED(sendto(s, data, strlen(data), 0, (void *)&a, sizeof a));
  close(s);
}

CASE(packet_create) {
  own_network();
  OK(socket(AF_PACKET, SOCK_RAW, 0));
  OK(socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)));
  OK(socket(AF_PACKET, SOCK_STREAM, 0));
  OK(socket(AF_PACKET, SOCK_SEQPACKET, 0));
  OK(socket(AF_PACKET, SOCK_PACKET, htons(ETH_P_ALL)));
  int p[2];
  CALL(socketpair(AF_PACKET, SOCK_RAW, 0, p));
  become(1000);
  OK(socket(AF_PACKET, SOCK_RAW, 0));
  OK(socket(AF_PACKET, SOCK_STREAM, 0));
}
CASE(packet_names) {
  own_network();
  int s = packet(SOCK_RAW, 0);
  struct sockaddr_ll a;
  socklen_t n = sizeof a;
  memset(&a, 0x55, sizeof a);
  CALL(getsockname(s, (void *)&a, &n));
  VAL(n);
  BYTES(&a, n);
  CALL(getpeername(s, (void *)&a, &n));
  a = ll("lo", ETH_P_IP);
  CALL(bind(s, (void *)&a, 19));
  CALL(bind(s, (void *)&a, 20));
  n = sizeof a;
  memset(&a, 0x55, sizeof a);
  CALL(getsockname(s, (void *)&a, &n));
  VAL(n);
  BYTES(&a, n);
  a.sll_family = AF_INET;
  CALL(bind(s, (void *)&a, 20));
  a = ll("lo", 0);
  a.sll_ifindex = 4242;
  CALL(bind(s, (void *)&a, 20));
  a = ll(0, 0);
  CALL(bind(s, (void *)&a, 20));
  CALL(getsockname(s, (void *)&a, &n));
  VAL(ntohs(a.sll_protocol));
  CALL(connect(s, (void *)&a, 20));
  CALL(listen(s, 1));
  CALL(accept(s, 0, 0));
  CALL(shutdown(s, SHUT_RDWR));
}
CASE(packet_on_lo) {
  own_network();
  int raw = packet(SOCK_RAW, ETH_P_ALL), dgram = packet(SOCK_DGRAM, ETH_P_IP), arp = packet(SOCK_RAW, ETH_P_ARP), none = packet(SOCK_RAW, 0);
  udp("127.0.0.1", 9, "hello");
  for (int i = 0; i < 5; i++) take(raw);
  for (int i = 0; i < 3; i++) take(dgram);
  take(arp);
  take(none);
  struct sockaddr_ll a = ll("lo", ETH_P_IP);
  CALL(bind(none, (void *)&a, sizeof a));
  int b = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct sockaddr_in i4 = ip4("127.0.0.1", 0);
  socklen_t n = sizeof i4;
  NEED(bind(b, (void *)&i4, sizeof i4));
  NEED(getsockname(b, (void *)&i4, &n));
  udp("127.0.0.1", ntohs(i4.sin_port), "received");
  take(none);
  take(none);
  int q;
  for (int i = 0; i < 2; i++) take(raw);
  udp("127.0.0.1", ntohs(i4.sin_port), "received");
  CALL(ioctl(none, FIONREAD, &q));
  VAL(q);
  char small[4];
  CALL(recv(none, small, 4, MSG_PEEK | MSG_TRUNC));
  CALL(recv(none, small, 4, 0));
  CALL(recv(none, small, 4, MSG_DONTWAIT));
  CALL(recv(none, small, 4, MSG_OOB));
  CALL(recv(none, small, 4, MSG_WAITALL | MSG_DONTWAIT));
  struct pollfd p[2] = {{none, POLLIN | POLLOUT, 0}, {raw, POLLIN | POLLOUT, 0}};
  CALL(poll(p, 2, 0));
  VAL(p[0].revents);
  VAL(p[1].revents);
}
CASE(packet_send_lo) {
  own_network();
  int raw = packet(SOCK_RAW, ETH_P_ALL), other = packet(SOCK_RAW, ETH_P_ALL), dgram = packet(SOCK_DGRAM, 0);
  unsigned char f[80] = {[12] = 0x88, 0xb5, 'd', 'a', 't', 'a'};
  struct sockaddr_ll a = ll("lo", ETH_P_IP);
  CALL(send(raw, f, 20, 0));
  CALL(sendto(raw, f, 20, 0, (void *)&a, 11));
  CALL(sendto(raw, f, 20, 0, (void *)&a, 19));
  CALL(sendto(raw, f, 20, 0, (void *)&a, 20));
  take(raw);
  take(raw);
  take(other);
  take(other);
  CALL(sendto(raw, f, 14, 0, (void *)&a, 20));
  take(raw);
  take(raw);
  f[12] = 0;
  f[13] = 6;
  CALL(sendto(raw, f, 60, 0, (void *)&a, 20));
  take(raw);
  a.sll_ifindex = 4242;
  CALL(sendto(raw, f, 20, 0, (void *)&a, 20));
  a = ll("lo", 0x88b5);
  a.sll_halen = 6;
  CALL(sendto(dgram, f, 20, 0, (void *)&a, 20));
  a.sll_halen = 4;
  CALL(sendto(dgram, f, 20, 0, (void *)&a, 20));
  a.sll_halen = 9;
  CALL(sendto(dgram, f, 20, 0, (void *)&a, 20));
  take(raw);
  take(raw);
  static char large[70000];
  a.sll_halen = 6;
  CALL(sendto(dgram, large, 65536, 0, (void *)&a, 20));
  CALL(sendto(dgram, large, 65537, 0, (void *)&a, 20));
  CALL(sendto(raw, large, 65550, 0, (void *)&a, 20));
  CALL(sendto(raw, large, 65551, 0, (void *)&a, 20));
  a = ll("lo", ETH_P_ALL);
  CALL(bind(dgram, (void *)&a, 20));
  CALL(send(dgram, f, 20, 0));
}
// An IP packet of the application's own making reaches a UDP socket.
CASE(packet_sends_udp) {
  own_network();
  int u = NEED(socket(AF_INET, SOCK_DGRAM, 0)), d = packet(SOCK_DGRAM, 0);
  struct sockaddr_in i4 = ip4("127.0.0.1", 4000);
  NEED(bind(u, (void *)&i4, sizeof i4));
  unsigned char p[] = {0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0x1f, 0x40, 0x0f, 0xa0, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
  unsigned sum = 0;
  for (int i = 0; i < 20; i += 2) sum += p[i] << 8 | p[i + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~((sum & 0xffff) + (sum >> 16));
  p[10] = sum >> 8;
  p[11] = sum;
  struct sockaddr_ll a = ll("lo", ETH_P_IP);
  a.sll_halen = 6;
  CALL(sendto(d, p, sizeof p, 0, (void *)&a, sizeof a));
  char b[32] = {0};
  socklen_t n = sizeof i4;
  CALL(recvfrom(u, b, sizeof b, MSG_DONTWAIT, (void *)&i4, &n));
  STR(b);
  VAL(ntohs(i4.sin_port));
  p[11] ^= 1;
  CALL(sendto(d, p, sizeof p, 0, (void *)&a, sizeof a));
  CALL(recv(u, b, sizeof b, MSG_DONTWAIT));
}
CASE(packet_options) {
  own_network();
  int s = packet(SOCK_RAW, ETH_P_ALL);
  for (int name = 0; name < 26; name++) {
    if (name == PACKET_TX_RING || name == PACKET_VNET_HDR || name == PACKET_FANOUT || name == PACKET_ROLLOVER_STATS || name == 24) continue;
    int v[8] = {1, 0}, g[8] = {0};
    char what[40];
    for (int l = 0; l <= 16; l = l ? l * 2 : 2) {
      snprintf(what, sizeof what, "set %d length %d", name, l);
      errno = 0;
      long r = setsockopt(s, SOL_PACKET, name, v, l);
      report_call(what, r, errno);
    }
    for (int l = 0; l <= 16; l = l ? l * 2 : 2) {
      socklen_t n = l;
      g[0] = 1;
      snprintf(what, sizeof what, "get %d length %d", name, l);
      errno = 0;
      long r = getsockopt(s, SOL_PACKET, name, g, &n);
      report_call(what, r, errno);
      if (!r) say("%d bytes: %d %d", n, n ? g[0] : 0, n > 4 ? g[1] : 0);
    }
  }
  int v = 0;
  socklen_t n = 4;
  CALL(setsockopt(s, SOL_IP, 1, &v, 4));
  CALL(getsockopt(s, 17, 1, &v, &n));
  v = 2;
  CALL(setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, 4));
  v = 3;
  CALL(setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, 4));
  CALL(getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &v, &n));
  for (v = 0; v < 3; v++) {
    int w = v;
    CALL(getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &w, &n));
    VAL(w);
  }
}
CASE(packet_membership) {
  own_network();
  int s = packet(SOCK_RAW, ETH_P_ALL);
  struct packet_mreq m = {.mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC};
  struct ifreq r = {.ifr_name = "lo"};
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, 15));
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
  NEED(ioctl(s, SIOCGIFFLAGS, &r));
  YES(r.ifr_flags & IFF_PROMISC);
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
  CALL(setsockopt(s, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
  CALL(setsockopt(s, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
  CALL(setsockopt(s, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
  m.mr_type = PACKET_MR_MULTICAST;
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
  m.mr_alen = 6;
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
  m.mr_alen = 7;
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
  m.mr_alen = 9;
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
  m.mr_alen = 0;
  m.mr_ifindex = 4242;
  CALL(setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
  CALL(setsockopt(s, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
}
CASE(packet_filter_statistics) {
  own_network();
  int s = packet(SOCK_RAW, ETH_P_IP), d = packet(SOCK_DGRAM, ETH_P_IP), small = 1;
  struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 36), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 77, 0, 1), BPF_STMT(BPF_RET | BPF_K, 30), BPF_STMT(BPF_RET | BPF_K, 0)};
  struct sock_filter g[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9), BPF_STMT(BPF_RET | BPF_A, 0)};
  struct sock_fprog p = {4, f}, q = {2, g};
  CALL(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p));
  CALL(setsockopt(d, SOL_SOCKET, SO_ATTACH_FILTER, &q, sizeof q));
  udp("127.0.0.1", 76, "x");
  udp("127.0.0.1", 77, "y");
  take(s);
  take(s);
  take(d);
  struct tpacket_stats st;
  socklen_t n = sizeof st;
  CALL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &n));
  say("%d: %u packets %u drops", n, st.tp_packets, st.tp_drops);
  CALL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &n));
  say("%u packets %u drops", st.tp_packets, st.tp_drops);
  NEED(setsockopt(s, SOL_SOCKET, SO_RCVBUF, &small, 4));
  for (int i = 0; i < 50; i++) udp("127.0.0.1", 77, "y");
  CALL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &n));
  VAL(st.tp_packets);
  YES(st.tp_drops > 20 && st.tp_drops < 50);
}
CASE(packet_auxdata) {
  own_network();
  int s = packet(SOCK_RAW, ETH_P_IP), one = 1;
  CALL(setsockopt(s, SOL_PACKET, PACKET_AUXDATA, &one, 4));
  udp("127.0.0.1", 76, "x");
  char b[20], c[256];
  struct iovec io = {b, sizeof b};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
  CALL(recvmsg(s, &m, 0));
  VAL(m.msg_flags);
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
    struct tpacket_auxdata *x = (void *)CMSG_DATA(h);
    say("level %d type %d length %d: user %d len %u snaplen %u mac %u net %u vlan %u %u", h->cmsg_level, h->cmsg_type, (int)h->cmsg_len, x->tp_status & TP_STATUS_USER, x->tp_len, x->tp_snaplen, x->tp_mac, x->tp_net, x->tp_vlan_tci, x->tp_vlan_tpid);
  }
}
CASE(packet_down) {
  NEED(unshare(CLONE_NEWNET));
  int s = packet(SOCK_RAW, 0), e;
  struct sockaddr_ll a = ll("lo", ETH_P_ALL);
  CALL(bind(s, (void *)&a, sizeof a));
  struct pollfd p = {s, POLLIN, 0};
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  char b[64] = {0};
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(recv(s, b, sizeof b, MSG_DONTWAIT));
  CALL(send(s, b, sizeof b, 0));
  socklen_t n = 4;
  CALL(getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &n));
  VAL(e);
}
CASE(packet_ring_arguments) {
  own_network();
  int s = packet(SOCK_RAW, ETH_P_IP);
  struct tpacket_req r[] = {{4096, 4, 2048, 8}, {4096, 0, 0, 8}, {4095, 4, 2048, 8}, {0, 4, 2048, 8}, {4096, 4, 2049, 8}, {4096, 4, 32, 512}, {4096, 4, 64, 256}, {4096, 4, 8192, 2}, {4096, 4, 2048, 7}, {0, 0, 0, 0}, {1u << 31, 2, 2048, 8}, {4096, 4, 2048, 8}};
  for (unsigned i = 0; i < sizeof r / sizeof *r; i++) CALL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r[i], sizeof *r));
  CALL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r[0], 15));
  int v = 1;
  CALL(setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, 4));
  CALL(setsockopt(s, SOL_PACKET, PACKET_RESERVE, &v, 4));
  OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0) == MAP_FAILED ? -1 : 0);
  OK(mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, s, 4096) == MAP_FAILED ? -1 : 0);
  OK(mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0) == MAP_FAILED ? -1 : 0);
}
static void show_frame(volatile char *f, int version) {
  if (version == 0) {
    struct tpacket_hdr *h = (void *)f;
    say("status %lu len %u snaplen %u mac %u net %u", h->tp_status & 7, h->tp_len, h->tp_snaplen, h->tp_mac, h->tp_net);
    struct sockaddr_ll *a = (void *)(f + TPACKET_ALIGN(sizeof *h));
    if (h->tp_status) say("type %d protocol %04x; [12] %02x%02x", a->sll_pkttype, ntohs(a->sll_protocol), (unsigned char)f[h->tp_mac + 12], (unsigned char)f[h->tp_mac + 13]);
    h->tp_status = 0;
  } else {
    struct tpacket2_hdr *h = (void *)f;
    say("status %u len %u snaplen %u mac %u net %u", h->tp_status & 7, h->tp_len, h->tp_snaplen, h->tp_mac, h->tp_net);
    struct sockaddr_ll *a = (void *)(f + TPACKET_ALIGN(sizeof *h));
    if (h->tp_status) say("type %d protocol %04x; [12] %02x%02x", a->sll_pkttype, ntohs(a->sll_protocol), (unsigned char)f[h->tp_mac + 12], (unsigned char)f[h->tp_mac + 13]);
    h->tp_status = 0;
  }
}
CASE(packet_ring_frames) {
  own_network();
  for (int version = 0; version < 2; version++)
    for (int type = SOCK_DGRAM; type <= SOCK_RAW; type++) {
      int s = packet(type, ETH_P_IP);
      int u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
      struct sockaddr_in to = ip4("127.0.0.1", 4000 + version * 2 + type);
      NEED(bind(u, (void *)&to, sizeof to));
      say("-- version %d type %d", version, type);
      NEED(setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, 4));
      struct tpacket_req r = {4096, 2, 1024, 8};
      CALL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r, sizeof r));
      volatile char *ring = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
      struct pollfd p = {s, POLLIN, 0};
      CALL(poll(&p, 1, 0));
      udp("127.0.0.1", ntohs(to.sin_port), "hello");
      CALL(poll(&p, 1, 1000));
      show_frame(ring, version);
      show_frame(ring + 1024, version);
      CALL(poll(&p, 1, 0));
      char large[2000];
      memset(large, 'x', sizeof large);
      large[1999] = 0;
      for (int i = 0; i < 12; i++) udp("127.0.0.1", ntohs(to.sin_port), i ? "many" : large);
      for (int i = 1; i < 10; i++) show_frame(ring + i % 8 * 1024, version);
      struct tpacket_stats st;
      socklen_t n = sizeof st;
      CALL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &n));
      say("%u packets %u drops", st.tp_packets, st.tp_drops);
      udp("127.0.0.1", ntohs(to.sin_port), "after");
      show_frame(ring + 1024, version);
      close(s);
      close(u);
    }
}
CASE(packet_ring_blocks) {
  own_network();
  int s = packet(SOCK_RAW, ETH_P_IP), v = TPACKET_V3;
  NEED(setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, 4));
  struct tpacket_req3 r = {.tp_block_size = 4096, .tp_block_nr = 2, .tp_frame_size = 2048, .tp_frame_nr = 4, .tp_retire_blk_tov = 20, .tp_sizeof_priv = 9};
  CALL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r, 16));
  CALL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r, sizeof r));
  char *ring = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
  int u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  struct sockaddr_in to = ip4("127.0.0.1", 4000);
  NEED(bind(u, (void *)&to, sizeof to));
  udp("127.0.0.1", 4000, "one");
  udp("127.0.0.1", 4000, "three");
  struct pollfd p = {s, POLLIN, 0};
  CALL(poll(&p, 1, 5000));
  struct tpacket_block_desc *b = (void *)ring;
  say("version %u priv %u status %u packets %u first %u length %u seq %llu", b->version, b->offset_to_priv, b->hdr.bh1.block_status, b->hdr.bh1.num_pkts, b->hdr.bh1.offset_to_first_pkt, b->hdr.bh1.blk_len, b->hdr.bh1.seq_num);
  struct tpacket3_hdr *h = (void *)(ring + b->hdr.bh1.offset_to_first_pkt);
  for (unsigned i = 0; i < b->hdr.bh1.num_pkts; i++) {
    struct sockaddr_ll *a = (void *)((char *)h + TPACKET_ALIGN(sizeof *h));
    say("next %u len %u snaplen %u mac %u net %u user %u: type %d protocol %04x '%s'", i + 1 < b->hdr.bh1.num_pkts ? h->tp_next_offset : 0, h->tp_len, h->tp_snaplen, h->tp_mac, h->tp_net, h->tp_status & 1, a->sll_pkttype, ntohs(a->sll_protocol), h->tp_snaplen > 42 ? "data" : "");
    h = (void *)((char *)h + h->tp_next_offset);
  }
  b->hdr.bh1.block_status = 0;
  struct tpacket_stats_v3 st;
  socklen_t n = sizeof st;
  CALL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &n));
  say("%d: %u packets %u drops", n, st.tp_packets, st.tp_drops);
}
// Frames between the two ends of a veth pair, one of which is in another namespace.
CASE(packet_on_veth) {
  own_network();
  CALL(add_veth("v0", "v1"));
  add_address("v0", "10.3.0.1", "255.255.255.0");
  link_up("v0");
  link_up("v1");
  int a = packet(SOCK_RAW, 0x88b5), b = packet(SOCK_RAW, 0x88b5);
  struct sockaddr_ll on0 = ll("v0", 0x88b5), on1 = ll("v1", 0x88b5);
  NEED(bind(a, (void *)&on0, sizeof on0));
  NEED(bind(b, (void *)&on1, sizeof on1));
  unsigned char f[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, 'b'};
  CALL(send(a, f, sizeof f, 0));
  take(b);
  take(a);
  f[0] = 1;
  CALL(send(a, f, sizeof f, 0));
  take(b);
  struct ifreq r = {.ifr_name = "v1"};
  NEED(ioctl(a, SIOCGIFHWADDR, &r));
  memcpy(f, r.ifr_hwaddr.sa_data, 6);
  CALL(send(a, f, sizeof f, 0));
  unsigned char g[100];
  struct sockaddr_ll from;
  socklen_t n = sizeof from;
  CALL(recvfrom(b, g, sizeof g, 0, (void *)&from, &n));
  say("type %d if %s halen %d from %02x..%02x", from.sll_pkttype, from.sll_ifindex == if_nametoindex("v1") ? "v1" : "?", from.sll_halen, from.sll_addr[0], from.sll_addr[5]);
  f[5] ^= 1;
  CALL(send(a, f, sizeof f, 0));
  CALL(recvfrom(b, g, sizeof g, 0, (void *)&from, &n));
  VAL(from.sll_pkttype);
  // ARP is answered for an address that is there.
  int arp = packet(SOCK_DGRAM, ETH_P_ARP);
  struct sockaddr_ll every = ll("v1", ETH_P_ARP);
  NEED(bind(arp, (void *)&every, sizeof every));
  every.sll_halen = 6;
  memset(every.sll_addr, 0xff, 6);
  unsigned char q[28] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 3, 0, 9, 0, 0, 0, 0, 0, 0, 10, 3, 0, 1};
  CALL(sendto(arp, q, sizeof q, 0, (void *)&every, sizeof every));
  struct pollfd p = {arp, POLLIN, 0};
  CALL(poll(&p, 1, 2000));
  CALL(recvfrom(arp, g, sizeof g, 0, (void *)&from, &n));
  BYTES(g, 8);
  BYTES(g + 14, 4);
  BYTES(g + 18, 10);
}
