// SPDX-License-Identifier: Apache-2.0

/**
 * The bytes at the top of a new program's stack: argc, argv, envp, the auxiliary vector, and the strings they point to.
 *
 * Linux: fs/exec.c (copy_strings), fs/binfmt_elf.c (create_elf_tables), arch/x86/include/asm/elf.h (ARCH_DLINFO)
 */
import * as A from '../../platform/abi/linux/elf.ts';
import type { ByteString } from '../vfs/inode.ts';

/** What the auxiliary vector needs to know besides the strings. */
export interface AuxFacts {
  readonly vdso: number;
  readonly minSigStackSize: number;
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly platformName: string;
  readonly phdr: number;
  readonly phnum: number;
  readonly base: number;
  readonly entry: number;
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  readonly isSecure: boolean;
}

export interface InitialStack {
  /** To be copied to `sp`; reaches up to the stack's top. */
  readonly bytes: Uint8Array;
  readonly sp: number;
  /** The vector alone, for /proc/pid/auxv. */
  readonly auxv: Uint8Array;
  readonly argStart: number;
  readonly argEnd: number;
  readonly envStart: number;
  readonly envEnd: number;
}

/** struct rseq up to its end, and its alignment. */
const RSEQ_FEATURE_SIZE = 28;
const RSEQ_ALIGN = 32;
const CLOCK_TICKS = 100;

/**
 * Lays the stack out below `top`. `random`: at least 20 bytes, 16 for AT_RANDOM and the rest to vary the stack pointer
 * (`shift` bytes, 0..8191, below the strings).
 */
export function buildInitialStack(
  top: number,
  filename: ByteString,
  argv: readonly ByteString[],
  envp: readonly ByteString[],
  facts: AuxFacts,
  random: Uint8Array,
  shift: number,
): InitialStack {
  const argText = argv.length === 0 ? '' : `${argv.join('\0')}\0`;
  const envText = envp.length === 0 ? '' : `${envp.join('\0')}\0`;
  const strings = Buffer.from(`${argText}${envText}${filename}\0`, 'latin1');
  const argStart = top - 8 - strings.length;
  const envStart = argStart + argText.length;
  const envEnd = envStart + envText.length;
  const platformAt = floor16(argStart - shift) - facts.platformName.length - 1;
  const randomAt = platformAt - 16;
  const vector = auxVector(facts, { random: randomAt, platform: platformAt, filename: envEnd });
  const words = 1 + argv.length + 1 + envp.length + 1;
  const sp = floor16(randomAt - words * 8 - vector.length);
  const bytes = new Uint8Array(top - sp);
  const view = new DataView(bytes.buffer);
  let at = setWord(view, 0, argv.length);
  at = pointers(view, at, argv, argStart);
  at = pointers(view, at, envp, envStart);
  bytes.set(vector, at);
  bytes.set(random.subarray(0, 16), randomAt - sp);
  bytes.set(Buffer.from(facts.platformName, 'latin1'), platformAt - sp);
  bytes.set(strings, argStart - sp);
  return { bytes, sp, auxv: vector, argStart, argEnd: envStart, envStart, envEnd };
}

function floor16(addr: number): number {
  return addr - (addr % 16);
}

function setWord(view: DataView, at: number, value: number): number {
  view.setUint32(at, value % 4294967296, true);
  view.setUint32(at + 4, Math.floor(value / 4294967296), true);
  return at + 8;
}

/** Addresses of consecutive NUL-terminated strings, then NULL. */
function pointers(view: DataView, from: number, texts: readonly ByteString[], first: number): number {
  let at = from;
  let addr = first;
  for (const text of texts) {
    at = setWord(view, at, addr);
    addr += text.length + 1;
  }
  return setWord(view, at, 0);
}

/** The vector in the order Linux writes it. */
function auxVector(facts: AuxFacts, where: { random: number; platform: number; filename: number }): Uint8Array {
  const pairs: [number, number][] = [
    [A.AT_MINSIGSTKSZ, facts.minSigStackSize],
    [A.AT_HWCAP, facts.hwcap],
    [A.AT_PAGESZ, 4096],
    [A.AT_CLKTCK, CLOCK_TICKS],
    [A.AT_PHDR, facts.phdr],
    [A.AT_PHENT, A.PHDR_SIZE],
    [A.AT_PHNUM, facts.phnum],
    [A.AT_BASE, facts.base],
    [A.AT_FLAGS, 0],
    [A.AT_ENTRY, facts.entry],
    [A.AT_UID, facts.uid],
    [A.AT_EUID, facts.euid],
    [A.AT_GID, facts.gid],
    [A.AT_EGID, facts.egid],
    [A.AT_SECURE, facts.isSecure ? 1 : 0],
    [A.AT_RANDOM, where.random],
    [A.AT_HWCAP2, facts.hwcap2],
    [A.AT_EXECFN, where.filename],
    [A.AT_PLATFORM, where.platform],
    [A.AT_RSEQ_FEATURE_SIZE, RSEQ_FEATURE_SIZE],
    [A.AT_RSEQ_ALIGN, RSEQ_ALIGN],
    [A.AT_NULL, 0],
  ];
  if (facts.vdso !== 0) pairs.unshift([A.AT_SYSINFO_EHDR, facts.vdso]);
  const bytes = new Uint8Array(pairs.length * 16);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [type, value] of pairs) at = setWord(view, setWord(view, at, type), value);
  return bytes;
}
