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
  a: number | bigint;
  b?: number | bigint;
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

/** A rule of a profile: a system call by name, its action, conditions. */
export interface ProfileRule {
  readonly name: string;
  readonly action: number;
  readonly args: readonly SeccompArg[];
}

export interface BuiltProfile {
  readonly program: Uint8Array;
  /** The highest system call number that a rule names; -1: none. */
  readonly highest: number;
  /** Names that libseccomp does not know. */
  readonly unknown: readonly string[];
}

type Handle = number;

interface Library {
  init(action: number): Handle;
  add(ctx: Handle, action: number, nr: number, n: number, args: Uint8Array | null): number;
  resolve(name: Uint8Array): number;
  setApi(level: number): number;
  exportBpf(ctx: Handle, fd: number): number;
  release(ctx: Handle): void;
}

let library: Library | null = null;

function load(): Library {
  if (library !== null) return library;
  const lib = openLibrary('libseccomp.so.2');
  if (lib === null) throw new SeccompError('libseccomp.so.2 is not installed (Debian: apt-get install libseccomp2)');
  library = {
    init: lib.define('seccomp_init', 'uintptr_t', ['uint32_t']),
    add: lib.define('seccomp_rule_add_array', 'int', ['uintptr_t', 'uint32_t', 'int', 'uint32_t', 'void *']),
    resolve: lib.define('seccomp_syscall_resolve_name', 'int', ['void *']),
    setApi: lib.define('seccomp_api_set', 'int', ['uint32_t']),
    exportBpf: lib.define('seccomp_export_bpf', 'int', ['uintptr_t', 'int']),
    release: lib.define('seccomp_release', 'void', ['uintptr_t']),
  };
  return library;
}

/** Errors: throws SeccompError. */
function exportProgram(lib: Library, ctx: Handle): Uint8Array {
  const fd = memfd_create(cstring('seccomp'), 1);
  const r = lib.exportBpf(ctx, fd);
  const length = r === 0 ? lseek(fd, 0, 2) : 0;
  const program = new Uint8Array(Math.max(length, 0));
  if (length > 0) pread(fd, program, 0, length, 0);
  close(fd);
  if (length <= 0) throw new SeccompError(`seccomp_export_bpf failed: ${r}`);
  return program;
}

/**
 * Builds a filter for x86-64: `rules` are allowed, everything else gets `defaultAction`.
 * Errors: throws SeccompError with one line that says what is missing.
 */
export function buildSeccompFilter(rules: readonly SeccompRule[], defaultAction: number): Uint8Array {
  const lib = load();
  const ctx = lib.init(defaultAction);
  if (!ctx) throw new SeccompError('seccomp_init failed');
  try {
    for (const rule of rules) {
      const args = rule.args ?? [];
      const r = lib.add(ctx, SCMP_ACT_ALLOW, rule.nr, args.length, args.length === 0 ? null : encodeArgs(args));
      if (r !== 0) throw new SeccompError(`seccomp_rule_add(${rule.nr}) failed: ${r}`);
    }
    return exportProgram(lib, ctx);
  } finally {
    lib.release(ctx);
  }
}

/** __NR_SCMP_ERROR: no architecture has the call. */
const UNKNOWN_NAME = -1;
const EEXIST = -17;
/** All actions, whatever this host's kernel would take: the filter is not for it. */
const API_LEVEL = 6;

/**
 * Builds the filter of a profile whose rules differ in their actions, for x86-64.
 * Errors: throws SeccompError in one line.
 */
export function buildProfile(defaultAction: number, rules: readonly ProfileRule[]): BuiltProfile {
  const lib = load();
  lib.setApi(API_LEVEL);
  const ctx = lib.init(defaultAction);
  if (!ctx) throw new SeccompError('the default action is not valid');
  const unknown = new Set<string>();
  let highest = -1;
  try {
    for (const { name, action, args } of rules) {
      const nr = lib.resolve(cstring(name));
      if (nr === UNKNOWN_NAME) {
        unknown.add(name);
        continue;
      }
      highest = Math.max(highest, nr);
      if (action === defaultAction) continue;
      const r = lib.add(ctx, action, nr, args.length, args.length === 0 ? null : encodeArgs(args));
      if (r !== 0 && r !== EEXIST) throw new SeccompError(`rule for ${name}: error ${r}`);
    }
    return { program: exportProgram(lib, ctx), highest, unknown: [...unknown] };
  } finally {
    lib.release(ctx);
  }
}
