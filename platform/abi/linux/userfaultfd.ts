// SPDX-License-Identifier: Apache-2.0

/** Linux: include/uapi/linux/userfaultfd.h */

export const UFFD_USER_MODE_ONLY = 1;
export const UFFD_API = 0xaa;

export const UFFDIO_REGISTER = 0xc020aa00;
export const UFFDIO_UNREGISTER = 0x8010aa01;
export const UFFDIO_WAKE = 0x8010aa02;
export const UFFDIO_COPY = 0xc028aa03;
export const UFFDIO_ZEROPAGE = 0xc020aa04;
export const UFFDIO_MOVE = 0xc028aa05;
export const UFFDIO_WRITEPROTECT = 0xc018aa06;
export const UFFDIO_CONTINUE = 0xc020aa07;
export const UFFDIO_POISON = 0xc020aa08;
export const UFFDIO_API = 0xc018aa3f;

export const UFFDIO_REGISTER_MODE_WP = 2;

export const UFFD_FEATURE_EVENT_FORK = 1 << 1;
export const UFFD_FEATURE_EVENT_REMAP = 1 << 2;
export const UFFD_FEATURE_EVENT_REMOVE = 1 << 3;
export const UFFD_FEATURE_EVENT_UNMAP = 1 << 6;
export const UFFD_FEATURE_MOVE = 1 << 16;

export const UFFD_EVENT_PAGEFAULT = 0x12;
/** sizeof(struct uffd_msg), and offsetof(arg.pagefault.feat.ptid). */
export const UFFD_MSG_SIZE = 32;
export const UFFD_MSG_PTID = 24;
