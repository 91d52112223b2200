// SPDX-License-Identifier: Apache-2.0

/**
 * What the kernel says it is, to uname(2) and /proc alike.
 *
 * Linux: init/version.c, include/generated/utsrelease.h
 */
export const UTS_SYSNAME = 'Linux';
/** Programs choose what they try by it: high enough for what the table implements. */
export const UTS_RELEASE = '6.12.0-runsc-ts';
export const UTS_VERSION = '#1 SMP PREEMPT_DYNAMIC runsc-ts';
export const UTS_MACHINE = 'x86_64';
/** Text of /proc/version. */
export const LINUX_BANNER = `${UTS_SYSNAME} version ${UTS_RELEASE} (runsc-ts@localhost) ${UTS_VERSION}`;
