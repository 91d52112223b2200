// SPDX-License-Identifier: Apache-2.0
// /dev/net/tun: what its ioctls take, and packets through tun and tap interfaces in both directions.
#include "net.h"
#include <linux/if_tun.h>

static int tun_open(void) {
  return NEED(open("/dev/net/tun", O_RDWR | O_NONBLOCK));
}
static int set_iff(int t, const char *name, int flags) {
  struct ifreq r = {.ifr_flags = flags};
  strcpy(r.ifr_name, name);
  int e = ioctl(t, TUNSETIFF, &r);
  if (!e) say("is %s flags %x", r.ifr_name, (unsigned short)r.ifr_flags);
  return e;
}
static unsigned sum16(const void *data, int n, unsigned s) {
  const unsigned char *p = data;
  for (int i = 0; i < n; i += 2) s += p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
  while (s >> 16) s = (s >> 16) + (s & 0xffff);
  return s;
}
// The next frame or packet that is not IPv6 (which the kernel sends by itself). Waits a while.
static int take(int t, unsigned char *b, int type_at) {
  for (int i = 0; i < 50; i++) {
    struct pollfd p = {t, POLLIN, 0};
    poll(&p, 1, 100);
    int n = read(t, b, 2000);
    if (n < 0) continue;
    if (type_at >= 0 ? b[type_at] == 0x86 && b[type_at + 1] == 0xdd : b[0] >> 4 == 6) continue;
    return n;
  }
  return -1;
}

CASE(tun_ioctls) {
  own_network();
  int t = tun_open(), u = tun_open();
  unsigned f = 0;
  char b[100];
  CALL(read(t, b, sizeof b));
  CALL(write(t, b, sizeof b));
  struct pollfd p = {t, POLLIN | POLLOUT, 0};
  CALL(poll(&p, 1, 0));
  VAL(p.revents);
  struct ifreq r = {0};
  CALL(ioctl(t, TUNGETIFF, &r));
  CALL(ioctl(t, TUNSETPERSIST, 1));
  CALL(ioctl(t, TUNGETFEATURES, &f));
  VAL(f & (IFF_TUN | IFF_TAP | IFF_NO_PI));
  CALL(set_iff(t, "a", 0));
  CALL(set_iff(t, "a", IFF_NO_PI));
  CALL(ioctl(t, TUNSETIFF, BAD_POINTER));
  CALL(set_iff(t, "lo", IFF_TUN));
  CALL(set_iff(t, "", IFF_TUN | IFF_NO_PI));
  CALL(set_iff(t, "b", IFF_TUN | IFF_NO_PI));
  CALL(set_iff(u, "tun0", IFF_TAP));
  CALL(set_iff(u, "tun0", IFF_TUN));
  CALL(set_iff(u, "x%d", IFF_TAP));
  CALL(ioctl(u, TUNGETIFF, &r));
  say("%s %x", r.ifr_name, (unsigned short)r.ifr_flags);
  CALL(read(t, b, sizeof b));
  CALL(write(t, b, 20));
  link_up("tun0");
  memset(b, 0, sizeof b);
  CALL(write(t, b, 20));
  CALL(write(t, b, 0));
  b[0] = 0x45;
  CALL(write(t, b, 20));
  CALL(poll(&p, 1, 0));
  VAL(p.revents & ~POLLIN);
  CALL(lseek(t, 0, SEEK_SET));
  CALL(ioctl(t, 0x1234, 0));
  r = (struct ifreq){.ifr_name = "tun0"};
  CALL(ioctl(t, SIOCGIFHWADDR, &r));
  VAL((unsigned short)r.ifr_hwaddr.sa_family);
  close(t);
  VAL(if_nametoindex("tun0"));
  CALL(ioctl(u, TUNSETPERSIST, 1));
  close(u);
  YES(if_nametoindex("x0"));
  u = tun_open();
  CALL(set_iff(u, "x0", IFF_TUN));
  CALL(set_iff(u, "x0", IFF_TAP | IFF_NO_PI));
  CALL(ioctl(u, TUNSETPERSIST, 0));
  close(u);
  VAL(if_nametoindex("x0"));
  int v = tun_open();
  become(1000);
  CALL(set_iff(v, "y0", IFF_TUN));
}
CASE(tun_packets) {
  own_network();
  int t = tun_open(), u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(set_iff(t, "t0", IFF_TUN | IFF_NO_PI));
  add_address("t0", "10.6.0.1", "255.255.255.0");
  link_up("t0");
  struct sockaddr_in to = ip4("10.6.0.2", 7000), from;
  unsigned char b[2000];
  CALL(sendto(u, "hello", 5, 0, (void *)&to, sizeof to));
  int n = take(t, b, -1);
  say("%d bytes: version %d protocol %d ttl %d to %d.%d.%d.%d port %d data %.5s", n, b[0] >> 4, b[9], b[8], b[16], b[17], b[18], b[19], b[22] << 8 | b[23], b + 28);
  say("sums %x %x", sum16(b, 20, 0), sum16(b + 20, n - 20, sum16(b + 12, 8, 17 + n - 20)));
  // The answer goes back the way it came.
  unsigned char c[4];
  memcpy(c, b + 12, 4);
  memcpy(b + 12, b + 16, 4);
  memcpy(b + 16, c, 4);
  memcpy(c, b + 20, 2);
  memcpy(b + 20, b + 22, 2);
  memcpy(b + 22, c, 2);
  memcpy(b + 28, "world", 5);
  b[26] = b[27] = 0;
  CALL(write(t, b, n));
  struct pollfd p = {u, POLLIN, 0};
  CALL(poll(&p, 1, 2000));
  char d[16] = {0};
  socklen_t l = sizeof from;
  CALL(recvfrom(u, d, sizeof d, 0, (void *)&from, &l));
  STR(d);
  STR(inet_ntoa(from.sin_addr));
  // Sums that are wrong, and packets that are for nobody.
  b[10] ^= 1;
  CALL(write(t, b, n));
  CALL(recv(u, d, sizeof d, MSG_DONTWAIT));
  CALL(write(t, b, 10));
  // A packet for a port nobody has is answered.
  b[10] ^= 1;
  b[22] = 0;
  b[23] = 99;
  CALL(write(t, b, n));
  n = take(t, b, -1);
  say("%d bytes: protocol %d type %d code %d", n, b[9], b[20], b[21]);
  // An echo request too.
  unsigned char e[28] = {0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 6, 0, 2, 10, 6, 0, 1, 8, 0, 0, 0, 1, 2, 3, 4};
  unsigned s = ~sum16(e, 20, 0);
  e[10] = s >> 8, e[11] = s;
  s = ~sum16(e + 20, 8, 0);
  e[22] = s >> 8, e[23] = s;
  CALL(write(t, e, sizeof e));
  n = take(t, b, -1);
  say("%d bytes: protocol %d type %d code %d id %02x%02x", n, b[9], b[20], b[21], b[24], b[25]);
}
CASE(tap_frames) {
  own_network();
  int t = tun_open(), u = NEED(socket(AF_INET, SOCK_DGRAM, 0));
  CALL(set_iff(t, "t0", IFF_TAP | IFF_NO_PI));
  add_address("t0", "10.6.0.1", "255.255.255.0");
  link_up("t0");
  unsigned char b[2000], q[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 6, 0, 2, 0, 0, 0, 0, 0, 0, 10, 6, 0, 1};
  CALL(write(t, q, 13));
  CALL(write(t, q, sizeof q));
  int n = take(t, b, 12);
  say("%d bytes type %02x%02x operation %d", n, b[12], b[13], b[21]);
  BYTES(b, 6);
  BYTES(b + 28, 4);
  BYTES(b + 32, 10);
  // A neighbour that is not known yet is asked for, and then sent to.
  struct sockaddr_in to = ip4("10.6.0.7", 7000);
  CALL(sendto(u, "hello", 5, 0, (void *)&to, sizeof to));
  n = take(t, b, 12);
  say("%d bytes type %02x%02x operation %d for %d.%d.%d.%d", n, b[12], b[13], b[21], b[38], b[39], b[40], b[41]);
  BYTES(b, 6);
  unsigned char a[42];
  memcpy(a, b + 6, 6);
  memcpy(a + 6, "\x02\0\0\0\0\x07\x08\x06\0\x01\x08\0\x06\x04\0\x02\x02\0\0\0\0\x07\x0a\x06\0\x07", 26);
  memcpy(a + 32, b + 22, 10);
  CALL(write(t, a, sizeof a));
  n = take(t, b, 12);
  say("%d bytes type %02x%02x data %.5s", n, b[12], b[13], b + 42);
  BYTES(b, 6);
}
