// SPDX-License-Identifier: Apache-2.0
// fs.mqueue: what a queue gets when nothing is asked for, and what may be asked for.
#include "case.h"
#include <mqueue.h>

static void put(const char *name, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/sys/fs/mqueue/%s", name);
  int fd = open(path, O_WRONLY);
  long n = fd < 0 ? -1 : write(fd, text, strlen(text));
  say("%s <- %s: %s", name, text, n < 0 ? errno_name(errno) : "ok");
  close(fd);
}

static void opened(void) {
  struct mq_attr attr;
  mqd_t queue = mq_open("/q", O_RDWR | O_CREAT, 0600, NULL);
  if (queue < 0) {
    say("mq_open: %s", errno_name(errno));
    return;
  }
  mq_getattr(queue, &attr);
  VAL(attr.mq_maxmsg);
  VAL(attr.mq_msgsize);
  mq_close(queue);
  mq_unlink("/q");
}

CASE(mqueue_limits) {
  NEED(unshare(CLONE_NEWIPC));
  opened();
  put("msg_default", "4");
  put("msgsize_default", "256");
  opened();
  put("msg_max", "3");
  put("msgsize_max", "128");
  opened();
  put("msgsize_max", "127");
  put("msg_max", "0");
  put("msg_max", "65537");
  put("msg_max", "60000");
  put("msg_default", "60000");
  opened();
  put("msg_max", "10");
  put("queues_max", "1");
  become(1000);
  struct mq_attr attr = {.mq_maxmsg = 11, .mq_msgsize = 128};
  OK(mq_open("/r", O_RDWR | O_CREAT, 0600, &attr));
  attr.mq_maxmsg = 10;
  OK(mq_open("/r", O_RDWR | O_CREAT, 0600, &attr));
  OK(mq_open("/s", O_RDWR | O_CREAT, 0600, &attr));
  put("msg_max", "20");
}
