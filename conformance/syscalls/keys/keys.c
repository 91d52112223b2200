// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/keyctl.h>

typedef int32_t key_serial;
static long add_key(const char *type, const char *name, const void *data, size_t size, key_serial ring) {
  return syscall(SYS_add_key, type, name, data, size, ring);
}
static long request_key(const char *type, const char *name, const char *info, key_serial ring) {
  return syscall(SYS_request_key, type, name, info, ring);
}
#define keyctl(...) syscall(SYS_keyctl, __VA_ARGS__)

CASE(add_and_read) {
  char b[64] = "";
  OK(keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL));
  long key = OK(add_key("user", "name", "payload", 7, KEY_SPEC_SESSION_KEYRING));
  CALL(keyctl(KEYCTL_READ, key, b, 4L));
  STR(b);
  CALL(keyctl(KEYCTL_READ, key, b, sizeof b));
  STR(b);
  CALL(keyctl(KEYCTL_UPDATE, key, "more", 4));
  YES(add_key("user", "name", "again", 5, KEY_SPEC_SESSION_KEYRING) == key);
  CALL(keyctl(KEYCTL_READ, key, b, sizeof b));
  long n = CALL(keyctl(KEYCTL_DESCRIBE, key, b, sizeof b));
  BYTES(b, n);
  YES(request_key("user", "name", NULL, 0) == key);
  YES(keyctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "name", 0) == key);
  CALL(keyctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "none", 0));
  CALL(keyctl(KEYCTL_READ, KEY_SPEC_SESSION_KEYRING, b, 0L));
  CALL(keyctl(KEYCTL_UNLINK, key, KEY_SPEC_SESSION_KEYRING));
  CALL(keyctl(KEYCTL_UNLINK, key, KEY_SPEC_SESSION_KEYRING) == 0);
  CALL(request_key("user", "name", NULL, 0));
}
CASE(key_errors) {
  CALL(add_key("user", "n", NULL, 0, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key("user", "n", NULL, 5, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key("user", "", "x", 1, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key("nosuch", "n", "x", 1, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key(".user", "n", "x", 1, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key("keyring", ".n", NULL, 0, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key("keyring", "n", "x", 1, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key("logon", "n", "x", 1, KEY_SPEC_THREAD_KEYRING));
  CALL(add_key("user", "n", "x", 1, 0));
  CALL(add_key("user", "n", "x", 1, 12345));
  CALL(add_key("user", "n", "x", 1, KEY_SPEC_GROUP_KEYRING));
  CALL(add_key(BAD_POINTER, "n", "x", 1, KEY_SPEC_THREAD_KEYRING));
  CALL(request_key("nosuch", "n", NULL, 0));
  CALL(request_key("user", NULL, NULL, 0));
  CALL(keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0));
  CALL(keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) > 0);
  CALL(keyctl(KEYCTL_JOIN_SESSION_KEYRING, ".builtin"));
  CALL(keyctl(KEYCTL_REVOKE, 12345));
  CALL(keyctl(1000));
}
CASE(rings_links_and_states) {
  OK(keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL));
  long ring = OK(add_key("keyring", "ring", NULL, 0, KEY_SPEC_PROCESS_KEYRING));
  long below = OK(add_key("keyring", "below", NULL, 0, ring));
  long key = OK(add_key("logon", "a:b", "secret", 6, below));
  char b[64];
  CALL(keyctl(KEYCTL_READ, key, b, sizeof b));
  YES(request_key("logon", "a:b", NULL, KEY_SPEC_THREAD_KEYRING) == key);
  CALL(keyctl(KEYCTL_LINK, ring, below));
  CALL(keyctl(KEYCTL_LINK, ring, key));
  CALL(keyctl(KEYCTL_CLEAR, key));
  CALL(keyctl(KEYCTL_SETPERM, key, 0xff000000));
  CALL(keyctl(KEYCTL_SETPERM, key, 0x3f000000));
  CALL(keyctl(KEYCTL_REVOKE, key));
  CALL(request_key("logon", "a:b", NULL, 0));
  CALL(keyctl(KEYCTL_UPDATE, key, "x", 1));
  CALL(keyctl(KEYCTL_INVALIDATE, below));
  CALL(keyctl(KEYCTL_CLEAR, ring));
  CALL(keyctl(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_THREAD_KEYRING));
  CALL(keyctl(KEYCTL_SET_REQKEY_KEYRING, -1));
  CALL(keyctl(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_GROUP_KEYRING));
}
CASE(keys_of_others) {
  OK(keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL));
  long key = OK(add_key("user", "mine", "x", 1, KEY_SPEC_SESSION_KEYRING));
  long tid = OK(add_key("user", "thread", "x", 1, KEY_SPEC_THREAD_KEYRING));
  CHILD({
    char b[8];
    CALL(keyctl(KEYCTL_READ, key, b, sizeof b));
    CALL(keyctl(KEYCTL_READ, tid, b, sizeof b));
    CALL(keyctl(KEYCTL_DESCRIBE, tid, NULL, 0L) > 0);
    OK(keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL));
    become(4321);
    CALL(keyctl(KEYCTL_READ, key, b, sizeof b));
    CALL(keyctl(KEYCTL_DESCRIBE, key, NULL, 0L));
    CALL(keyctl(KEYCTL_CHOWN, key, 4321, -1));
  });
}
