// SPDX-License-Identifier: Apache-2.0

/**
 * What the system is: uname and names, sysinfo, getcpu, getrandom, syslog.
 *
 * Linux: kernel/sys.c, drivers/char/random.c, kernel/printk/printk.c
 */
import { CAP_SYS_ADMIN, CAP_SYSLOG } from '../../platform/abi/linux/capability.ts';
import { EFAULT, EINVAL, EPERM } from '../../platform/abi/linux/errno.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { isUserRange } from '../file/iovec.ts';
import { UTS_MACHINE, UTS_RELEASE, UTS_SYSNAME, UTS_VERSION } from '../../sentry/kernel/version.ts';

const UTS_FIELD = 65;
const UTS_MAX = 64;

export function sys_uname(t: Task, addr: number): number {
  const out = Buffer.alloc(UTS_FIELD * 6);
  [UTS_SYSNAME, t.uts.hostname, UTS_RELEASE, UTS_VERSION, UTS_MACHINE, t.uts.domainname].forEach((text, i) =>
    out.write(text.slice(0, UTS_MAX), i * UTS_FIELD, 'latin1'),
  );
  return t.memory.copyOut(addr, out, 0, out.length) === out.length ? 0 : EFAULT;
}

/** Reads a host or domain name of `length` bytes. */
function readName(t: Task, addr: number, length: number): string | number {
  if (!t.creds.hasCapIn(t.uts.userNs, CAP_SYS_ADMIN)) return EPERM;
  if (length < 0 || length > UTS_MAX) return EINVAL;
  const bytes = Buffer.alloc(length);
  if (length > 0 && t.memory.copyIn(addr, bytes, 0, length) !== length) return EFAULT;
  const text = bytes.toString('latin1');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

export function sys_sethostname(t: Task, addr: number, length: number): number {
  const name = readName(t, addr, length);
  if (typeof name === 'number') return name;
  t.uts.hostname = name;
  return 0;
}
export function sys_setdomainname(t: Task, addr: number, length: number): number {
  const name = readName(t, addr, length);
  if (typeof name === 'number') return name;
  t.uts.domainname = name;
  return 0;
}

const sysinfoBytes = new Uint8Array(112);
const sysinfoView = new DataView(sysinfoBytes.buffer);
const SI_LOAD_SHIFT = 16;

function put64(at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  sysinfoView.setUint32(at, value - hi * 4294967296, true);
  sysinfoView.setUint32(at + 4, hi, true);
}

export function sys_sysinfo(t: Task, addr: number): number {
  const { kernel } = t;
  const { info } = kernel.host;
  sysinfoBytes.fill(0);
  put64(0, Math.ceil((kernel.clock.boottimeNs() + t.timeNs.boottimeNs) / 1e9));
  const load = kernel.loadAverages();
  for (let i = 0; i < 3; i++) put64(8 + i * 8, Math.floor((load[i] as number) * (1 << SI_LOAD_SHIFT)));
  put64(32, info.memoryTotal);
  put64(40, info.memoryAvailable());
  sysinfoView.setUint16(80, Math.min(kernel.liveTasks, 65535), true);
  sysinfoView.setUint32(104, 1, true);
  return t.memory.copyOut(addr, sysinfoBytes, 0, 112) === 112 ? 0 : EFAULT;
}

/** offsetof(struct rseq, cpu_id): where the host says on which processor the thread ran last. */
const RSEQ_CPU_ID = 4;

export function sys_getcpu(t: Task, cpuAddr: number, nodeAddr: number): number {
  const last = t.rseqAddr === 0 ? -1 : t.memory.readU32(t.rseqAddr + RSEQ_CPU_ID);
  const cpu = last >= 0 && last < t.kernel.host.info.cpuCount ? last : firstAllowed(t);
  if (cpuAddr !== 0 && t.memory.writeU32(cpuAddr, cpu) !== 0) return EFAULT;
  return nodeAddr !== 0 && t.memory.writeU32(nodeAddr, 0) !== 0 ? EFAULT : 0;
}

/** The thread may run anywhere its mask allows: the first such processor is a correct answer at some moment. */
function firstAllowed(t: Task): number {
  const at = t.affinity.findIndex((byte) => byte !== 0);
  const byte = t.affinity[at] ?? 1;
  return Math.max(at, 0) * 8 + (31 - Math.clz32(byte & -byte));
}

const GRND_KNOWN = 7;
const randomChunk = new Uint8Array(65536);
/** Most bytes one call returns (INT_MAX & PAGE_MASK in Linux; here also a bound on the time one call takes). */
const MAX_RANDOM = 16 * 1024 * 1024;

export function sys_getrandom(t: Task, addr: number, length: number, flags: number): number {
  if ((flags & ~GRND_KNOWN) !== 0 || (flags & 6) === 6) return EINVAL;
  if (!isUserRange(addr, length)) return EFAULT;
  const want = Math.min(length, MAX_RANDOM);
  let done = 0;
  while (done < want) {
    const n = Math.min(want - done, randomChunk.length);
    const chunk = randomChunk.subarray(0, n);
    t.kernel.host.random(chunk);
    const moved = t.memory.copyOut(addr + done, chunk, 0, n);
    if (moved < 0) return done > 0 ? done : EFAULT;
    done += moved;
    if (moved < n) break;
  }
  return done;
}

const SYSLOG_ACTION_READ_ALL = 3;
const SYSLOG_ACTION_SIZE_BUFFER = 10;
const SYSLOG_MAX = 10;

/** The kernel log is empty; reading needs CAP_SYSLOG as with dmesg_restrict. */
export function sys_syslog(t: Task, type: number, buf: number, length: number): number {
  if (type < 0 || type > SYSLOG_MAX) return EINVAL;
  if (!t.creds.hasCap(CAP_SYSLOG) && !t.creds.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if (type === 2 || type === SYSLOG_ACTION_READ_ALL || type === 4) return buf === 0 || length < 0 ? EINVAL : 0;
  if (type === 8) return length < 1 || length > 8 ? EINVAL : 0;
  return type === SYSLOG_ACTION_SIZE_BUFFER ? 262144 : 0;
}
