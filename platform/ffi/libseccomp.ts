// SPDX-License-Identifier: Apache-2.0

/**
 * libseccomp.so.2: builds an allow-list and hands back its BPF program (struct sock_filter array), so that it can be installed in
 * another process or kept. Linux: libseccomp(3).
 */
import { close, lseek, pread } from './files.ts';
import { memfd_create } from './memory.ts';
import { cstring, openLibrary } from './native.ts';

export const SCMP_ACT_KILL_PROCESS = 0x80000000;
export const SCMP_ACT_ALLOW = 0x7fff0000;
export const SCMP_ACT_ERRNO = (errno: number): number => 0x00050000 + (Math.abs(errno) & 0xffff);

export const SCMP_CMP_NE = 1;
export const SCMP_CMP_LE = 3;
export const SCMP_CMP_EQ = 4;
export const SCMP_CMP_GE = 5;
export const SCMP_CMP_MASKED_EQ = 7;

/** One condition on an argument; `b` is the value for SCMP_CMP_MASKED_EQ, where `a` is the mask. */
export interface SeccompArg {
  arg: number;
  op: number;
  a: number;
  b?: number;
}

/** One rule: system call number and conditions that must all hold. */
export interface SeccompRule {
  nr: number;
  args?: readonly SeccompArg[];
}

/** Why a filter could not be built. */
export class SeccompError extends Error {}

function encodeArgs(args: readonly SeccompArg[]): Uint8Array {
  const out = new Uint8Array(args.length * 24);
  const view = new DataView(out.buffer);
  args.forEach((c, i) => {
    view.setUint32(i * 24, c.arg, true);
    view.setInt32(i * 24 + 4, c.op, true);
    view.setBigUint64(i * 24 + 8, BigInt.asUintN(64, BigInt(c.a)), true);
    view.setBigUint64(i * 24 + 16, BigInt.asUintN(64, BigInt(c.b ?? 0)), true);
  });
  return out;
}

/** True when libseccomp.so.2 is installed. */
export function hasLibseccomp(): boolean {
  return openLibrary('libseccomp.so.2') !== null;
}

/**
 * Builds a filter for x86-64: `rules` are allowed, everything else gets `defaultAction`.
 * Errors: throws SeccompError with one line that says what is missing.
 */
export function buildSeccompFilter(rules: readonly SeccompRule[], defaultAction: number): Uint8Array {
  const lib = openLibrary('libseccomp.so.2');
  if (lib === null) throw new SeccompError('libseccomp.so.2 is not installed (Debian: apt-get install libseccomp2)');
  const init = lib.define<(action: number) => number>('seccomp_init', 'uintptr_t', ['uint32_t']);
  const add = lib.define<(ctx: number, action: number, nr: number, n: number, args: Uint8Array | null) => number>(
    'seccomp_rule_add_array',
    'int',
    ['uintptr_t', 'uint32_t', 'int', 'uint32_t', 'void *'],
  );
  const exportBpf = lib.define<(ctx: number, fd: number) => number>('seccomp_export_bpf', 'int', ['uintptr_t', 'int']);
  const release = lib.define<(ctx: number) => void>('seccomp_release', 'void', ['uintptr_t']);
  const ctx = init(defaultAction);
  if (!ctx) throw new SeccompError('seccomp_init failed');
  for (const rule of rules) {
    const args = rule.args ?? [];
    const r = add(ctx, SCMP_ACT_ALLOW, rule.nr, args.length, args.length === 0 ? null : encodeArgs(args));
    if (r !== 0) throw new SeccompError(`seccomp_rule_add(${rule.nr}) failed: ${r}`);
  }
  const fd = memfd_create(cstring('seccomp'), 1);
  const r = exportBpf(ctx, fd);
  release(ctx);
  const length = r === 0 ? lseek(fd, 0, 2) : 0;
  const program = new Uint8Array(Math.max(length, 0));
  if (length > 0) pread(fd, program, 0, length, 0);
  close(fd);
  if (length <= 0) throw new SeccompError(`seccomp_export_bpf failed: ${r}`);
  return program;
}
