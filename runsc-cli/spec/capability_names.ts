// SPDX-License-Identifier: Apache-2.0

/**
 * Capability names in number order, and sets of them. Linux: capabilities(7), include/uapi/linux/capability.h
 */
import type { CapabilityWords } from '../sandbox/config.ts';

export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_KILL', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE', 'CAP_NET_BIND_SERVICE', 'CAP_NET_BROADCAST', 'CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_IPC_LOCK', 'CAP_IPC_OWNER',
  'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_CHROOT', 'CAP_SYS_PTRACE', 'CAP_SYS_PACCT', 'CAP_SYS_ADMIN', 'CAP_SYS_BOOT', 'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE', 'CAP_SYS_TIME', 'CAP_SYS_TTY_CONFIG', 'CAP_MKNOD', 'CAP_LEASE', 'CAP_AUDIT_WRITE', 'CAP_AUDIT_CONTROL', 'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE', 'CAP_MAC_ADMIN', 'CAP_SYSLOG', 'CAP_WAKE_ALARM', 'CAP_BLOCK_SUSPEND', 'CAP_AUDIT_READ', 'CAP_PERFMON', 'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

export const ALL_CAPABILITIES: CapabilityWords = [0xffffffff, 0x1ff];
export const NO_CAPABILITIES: CapabilityWords = [0, 0];

/** The set of `names` (with or without CAP_); unknown ones go to `unknown`. */
export function capabilityWords(names: readonly string[], unknown: string[]): CapabilityWords {
  let [low, high] = [0, 0];
  for (const name of names) {
    const upper = name.toUpperCase();
    const number = CAPABILITIES.indexOf(upper.startsWith('CAP_') ? upper : `CAP_${upper}`);
    if (number < 0) unknown.push(name);
    else if (number < 32) low = (low | (1 << number)) >>> 0;
    else high = (high | (1 << (number - 32))) >>> 0;
  }
  return [low, high];
}
