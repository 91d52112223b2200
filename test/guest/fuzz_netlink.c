// SPDX-License-Identifier: Apache-2.0
// For the sandbox only: netlink messages that are nearly right. `fuzz_netlink SEED COUNT`.
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static unsigned long long state;
static unsigned next(void) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return state >> 33;
}
static unsigned odd(void) {
  static const unsigned values[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
  return next() % 3 ? values[next() % 20] : next();
}
int main(int argc, char **argv) {
  static const int protocols[] = {0, 0, 0, 4, 4, 15, 2, 9, 16, 31, 77};
  static const int types[] = {0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 24, 25, 26, 28, 29, 30, 32, 34, 36, 44, 64, 66, 68, 74, 78, 80, 88, 94, 104, 20, 21};
  static unsigned char message[9000], answer[20000];
  state = atoi(argv[1]);
  int fds[4];
  for (int i = 0; i < 4; i++) fds[i] = socket(AF_NETLINK, SOCK_RAW, 0);
  for (int i = 0, count = atoi(argv[2]); i < count; i++) {
    int k = next() % 4;
    if (next() % 40 == 0) {
      close(fds[k]);
      fds[k] = socket(AF_NETLINK, next() % 2 ? SOCK_RAW : SOCK_DGRAM, protocols[next() % 11]);
      struct sockaddr_nl name = {AF_NETLINK, 0, odd() % 2 ? 0 : odd(), odd()};
      bind(fds[k], (void *)&name, next() % 5 ? sizeof name : next() % 20);
    }
    unsigned length = 16 + next() % (next() % 10 ? 120 : 8000), at = 16 + (next() % 2 ? 16 : next() % 32);
    for (unsigned j = 0; j < length; j++) message[j] = next() % 3 ? 0 : next();
    struct nlmsghdr *header = (void *)message;
    header->nlmsg_len = next() % 8 ? length : odd();
    header->nlmsg_type = next() % 8 ? types[next() % 32] : odd();
    header->nlmsg_flags = next() % 4 ? 1 | (next() % 2 ? 0x300 : 0) | (next() % 2 ? 4 : 0) | (next() % 4 ? 0 : 0xc00) : odd();
    if (next() % 2) message[16] = next() % 2 ? 2 : next() % 2 ? 10 : 1;
    while (at + 8 < length) {
      struct nlattr *attribute = (void *)(message + at);
      attribute->nla_len = next() % 10 ? 4 + next() % 24 : odd();
      attribute->nla_type = next() % 8 ? next() % 40 : odd();
      at += 4 + ((next() % 24) & ~3u);
    }
    send(fds[k], message, next() % 10 ? length : next() % 8000, MSG_DONTWAIT);
    if (next() % 3 == 0) while (recv(fds[next() % 4], answer, next() % sizeof answer, MSG_DONTWAIT | (next() % 5 ? 0 : MSG_PEEK | MSG_TRUNC)) > 0 && next() % 8) {}
    if (next() % 10 == 0) {
      unsigned value = odd();
      setsockopt(fds[k], next() % 2 ? 270 : 1, next() % 14, &value, next() % 6);
    }
  }
  puts("end");
  return 0;
}
