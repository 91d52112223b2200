// SPDX-License-Identifier: Apache-2.0

/**
 * Time namespaces: CLOCK_MONOTONIC and CLOCK_BOOTTIME shifted for those inside.
 *
 * The application reads clocks in the host's vdso, which knows nothing of our namespaces: in the address space of a process whose
 * clocks are shifted, the vdso's clock_gettime is overwritten by the system call.
 *
 * Linux:      kernel/time/namespace.c; time_namespaces(7)
 * Invariants: offsets do not change once somebody is inside.
 */
import { EACCES, EINVAL, EPERM, ERANGE } from '../../platform/abi/linux/errno.ts';
import { CAP_SYS_TIME } from '../../platform/abi/linux/capability.ts';
import { NSEC_PER_SEC } from '../../platform/abi/linux/time.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { UserNamespace } from '../auth/user_namespace.ts';
import type { MemoryManager } from '../mm/memory_manager.ts';
import type { Kernel } from './kernel.ts';
import { newNamespaceInum } from './namespaces.ts';

/** KTIME_SEC_MAX / 2: no clock may be set further. */
const MAX_SECONDS = Math.floor(9223372036 / 2);
const SHT_DYNSYM = 11;
const SECTION_HEADER = 64;
const SYMBOL = 24;
const NAME = '__vdso_clock_gettime';
/** mov $228, %eax; syscall; ret */
const CALL = Uint8Array.of(0xb8, 228, 0, 0, 0, 0x0f, 0x05, 0xc3);

export class TimeNamespace {
  readonly inum: number;
  readonly userNs: UserNamespace;
  monotonicNs = 0;
  boottimeNs = 0;
  /** A process has entered: the offsets stay. */
  isFrozen = false;

  constructor(userNs: UserNamespace, inum = newNamespaceInum()) {
    this.userNs = userNs;
    this.inum = inum;
  }

  /** A copy that nobody is in yet. */
  clone(userNs: UserNamespace): TimeNamespace {
    const copy = new TimeNamespace(userNs);
    copy.monotonicNs = this.monotonicNs;
    copy.boottimeNs = this.boottimeNs;
    return copy;
  }

  get isShifted(): boolean {
    return this.monotonicNs !== 0 || this.boottimeNs !== 0;
  }

  /** A process with the address space `mm` is inside from now on. */
  enter(mm: MemoryManager): void {
    this.isFrozen = true;
    if (this.isShifted && !mm.asksForClocks) mm.asksForClocks = overwriteClock(mm);
  }
}

/** Makes the vdso's clock_gettime a system call. False: there is none to overwrite. */
function overwriteClock(mm: MemoryManager): boolean {
  const { vdso } = mm.addressSpace.layout;
  if (vdso === null) return false;
  const image = new Uint8Array(vdso.end - vdso.start);
  if (mm.memory.copyIn(vdso.start, image, 0, image.length) !== image.length) return false;
  const offset = symbolOffset(image);
  return offset > 0 && mm.memory.forceCopyOut(vdso.start + offset, CALL, 0, CALL.length) === CALL.length;
}

/** Where the function is in the image; 0: nowhere. */
function symbolOffset(image: Uint8Array): number {
  const view = new DataView(image.buffer);
  const sections = view.getUint32(40, true);
  const count = view.getUint16(60, true);
  if (sections + count * SECTION_HEADER > image.length) return 0;
  const place = (index: number): { at: number; size: number; link: number; type: number } => {
    const at = sections + index * SECTION_HEADER;
    return {
      type: view.getUint32(at + 4, true),
      at: view.getUint32(at + 24, true),
      size: view.getUint32(at + 32, true),
      link: view.getUint32(at + 40, true),
    };
  };
  for (let i = 0; i < count; i++) {
    const symbols = place(i);
    if (symbols.type !== SHT_DYNSYM || symbols.link >= count) continue;
    const strings = place(symbols.link).at;
    for (let at = symbols.at; at + SYMBOL <= Math.min(symbols.at + symbols.size, image.length); at += SYMBOL) {
      const name = strings + view.getUint32(at, true);
      if (Buffer.from(image.subarray(name, name + NAME.length + 1)).toString('latin1') === `${NAME}\0`)
        return view.getUint32(at + 8, true);
    }
  }
  return 0;
}

/** Text of /proc/pid/timens_offsets. */
export function offsetsText(ns: TimeNamespace): string {
  const line = (name: string, offset: number): string => {
    const sec = Math.floor(offset / NSEC_PER_SEC);
    return `${name.padEnd(10)} ${String(sec).padStart(10)} ${String(offset - sec * NSEC_PER_SEC).padStart(9)}\n`;
  };
  return line('monotonic', ns.monotonicNs) + line('boottime', ns.boottimeNs);
}

interface Offset {
  clock: 'monotonic' | 'boottime';
  sec: number;
  nsec: number;
}

/** Parses lines "CLOCK SECONDS NANOSECONDS"; null: malformed. */
function parseOffsets(text: string): Offset[] | null {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const offsets: Offset[] = [];
  for (const line of lines) {
    const m = /^\s*(monotonic|boottime|1|7)\s+([+-]?\d+)\s+(\d+)\s*$/.exec(line);
    if (m === null || Number(m[3]) >= NSEC_PER_SEC) return null;
    offsets.push({
      clock: m[1] === 'monotonic' || m[1] === '1' ? 'monotonic' : 'boottime',
      sec: Number(m[2]),
      nsec: Number(m[3]),
    });
  }
  return offsets;
}

/** Writes /proc/pid/timens_offsets: two lines at most, what follows is left. Returns how much was taken, EINVAL, EPERM, ERANGE or EACCES. */
export function writeOffsets(kernel: Kernel, ns: TimeNamespace, text: string, opener: Credentials): number {
  const taken = /^[^\n]*\n?[^\n]*\n?/.exec(text)?.[0] ?? '';
  const offsets = parseOffsets(taken);
  if (offsets === null) return EINVAL;
  if (!opener.hasCapIn(ns.userNs, CAP_SYS_TIME)) return EPERM;
  for (const { clock, sec } of offsets) {
    const now = clock === 'monotonic' ? kernel.clock.monotonicNs() : kernel.clock.boottimeNs();
    const then = sec + Math.floor(now / NSEC_PER_SEC);
    if (Math.abs(sec) > MAX_SECONDS * 2 || then < 0 || then > MAX_SECONDS) return ERANGE;
  }
  if (ns.isFrozen) return EACCES;
  for (const { clock, sec, nsec } of offsets) {
    const value = sec * NSEC_PER_SEC + nsec;
    if (clock === 'monotonic') ns.monotonicNs = value;
    else ns.boottimeNs = value;
  }
  return taken.length;
}
