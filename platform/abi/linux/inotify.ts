// SPDX-License-Identifier: Apache-2.0

/**
 * inotify(7) numbers.
 *
 * Linux: include/uapi/linux/inotify.h
 */
export const FUTEX_OP_CMP_EQ = 0;
export const FUTEX_OP_SET = 0;
export const FUTEX_WAIT = 0;
export const FUTEX_OP_ADD = 1;
export const FUTEX_OP_CMP_NE = 1;
export const FUTEX_WAKE = 1;
export const FUTEX_32 = 2;
export const FUTEX_FD = 2;
export const FUTEX_OP_CMP_LT = 2;
export const FUTEX_OP_OR = 2;
export const FUTEX_OP_ANDN = 3;
export const FUTEX_OP_CMP_LE = 3;
export const FUTEX_REQUEUE = 3;
export const FUTEX_CMP_REQUEUE = 4;
export const FUTEX_OP_CMP_GT = 4;
export const FUTEX_OP_XOR = 4;
export const FUTEX_OP_CMP_GE = 5;
export const FUTEX_WAKE_OP = 5;
export const FUTEX_LOCK_PI = 6;
export const FUTEX_UNLOCK_PI = 7;
export const FUTEX_OP_OPARG_SHIFT = 8;
export const FUTEX_TRYLOCK_PI = 8;
export const FUTEX_WAIT_BITSET = 9;
export const FUTEX_WAKE_BITSET = 10;
export const FUTEX_WAIT_REQUEUE_PI = 11;
export const FUTEX_CMP_REQUEUE_PI = 12;
export const FUTEX_LOCK_PI2 = 13;
export const FUTEX_PRIVATE_FLAG = 128;
export const FUTEX_WAIT_PRIVATE = 128;
export const FUTEX_WAKE_PRIVATE = 129;
export const FUTEX_REQUEUE_PRIVATE = 131;
export const FUTEX_CMP_REQUEUE_PRIVATE = 132;
export const FUTEX_WAKE_OP_PRIVATE = 133;
export const FUTEX_LOCK_PI_PRIVATE = 134;
export const FUTEX_UNLOCK_PI_PRIVATE = 135;
export const FUTEX_TRYLOCK_PI_PRIVATE = 136;
export const FUTEX_WAIT_BITSET_PRIVATE = 137;
export const FUTEX_WAKE_BITSET_PRIVATE = 138;
export const FUTEX_WAIT_REQUEUE_PI_PRIVATE = 139;
export const FUTEX_CMP_REQUEUE_PI_PRIVATE = 140;
export const FUTEX_LOCK_PI2_PRIVATE = 141;
export const FUTEX_CLOCK_REALTIME = 0x100;
export const ROBUST_LIST_LIMIT = 0x800;
export const FUTEX_TID_MASK = 0x3fffffff;
export const FUTEX_OWNER_DIED = 0x40000000;
export const FUTEX_WAITERS = 0x80000000;
export const FUTEX_BITSET_MATCH_ANY = 0xffffffff;
export const FUTEX_CMD_MASK = -385;
