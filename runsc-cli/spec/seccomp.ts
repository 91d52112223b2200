// SPDX-License-Identifier: Apache-2.0

/**
 * linux.seccomp: a profile as the filter's compiler takes it.
 *
 * OCI runtime-spec: config-linux.md#seccomp. Linux: seccomp(2), libseccomp(3)
 */
import type { Field } from './checker.ts';

const ACTIONS: Record<string, number> = {
  SCMP_ACT_KILL: 0, SCMP_ACT_KILL_THREAD: 0, SCMP_ACT_KILL_PROCESS: 0x80000000, SCMP_ACT_TRAP: 0x00030000, SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000, SCMP_ACT_LOG: 0x7ffc0000, SCMP_ACT_ALLOW: 0x7fff0000, SCMP_ACT_NOTIFY: 0x7fc00000,
};
const OPERATORS: Record<string, number> = {
  SCMP_CMP_NE: 1, SCMP_CMP_LT: 2, SCMP_CMP_LE: 3, SCMP_CMP_EQ: 4, SCMP_CMP_GE: 5, SCMP_CMP_GT: 6, SCMP_CMP_MASKED_EQ: 7,
};
/** Known; a guest's calls are all x86-64's. */
const ARCHS = [
  'X86', 'X86_64', 'X32', 'ARM', 'AARCH64', 'MIPS', 'MIPS64', 'MIPS64N32', 'MIPSEL', 'MIPSEL64', 'MIPSEL64N32', 'PPC', 'PPC64', 'PPC64LE', 'RISCV64', 'S390', 'S390X',
  'PARISC', 'PARISC64', 'LOONGARCH64', 'M68K', 'SH', 'SHEB',
].map((name) => `SCMP_ARCH_${name}`);
const X32 = 'SCMP_ARCH_X32';
/** They tell Linux how to install a filter, log or mitigate; a filter of the Sentry's is on every thread from the start. */
export const SECCOMP_FLAGS = ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'];
export const SECCOMP_ACTIONS: readonly string[] = Object.keys(ACTIONS).filter((name) => name !== 'SCMP_ACT_NOTIFY').sort();
export const SECCOMP_OPERATORS: readonly string[] = Object.keys(OPERATORS).sort();
/** Of other architectures there are no programs in here. */
export const SECCOMP_ARCHS = ['SCMP_ARCH_X32', 'SCMP_ARCH_X86', 'SCMP_ARCH_X86_64'];

const EPERM = 1;
const MAX_ERRNO = 4095;
const MAX_ARGUMENTS = 6;

export interface SeccompCondition {
  readonly arg: number;
  readonly op: number;
  readonly a: bigint;
  readonly b: bigint;
}

export interface SeccompRule {
  readonly name: string;
  readonly action: number;
  readonly args: readonly SeccompCondition[];
}

export interface SeccompProfile {
  readonly defaultAction: number;
  /** It is for x32 programs too. */
  readonly hasX32: boolean;
  readonly rules: readonly SeccompRule[];
}

/** Null: no profile. Throws RunscError. */
export function translateSeccomp(field: Field): SeccompProfile | null {
  if (!field.isPresent) return null;
  const syscalls = field.get('syscalls').items();
  if (field.get('defaultAction').optionalString('') === '' && syscalls.length === 0) return null;
  const archs = field.get('architectures').items();
  for (const item of archs) if (!ARCHS.includes(item.string())) item.fail(`string ${item.shown()} is not a valid arch for seccomp`);
  for (const flag of field.get('flags').items()) {
    if (!SECCOMP_FLAGS.includes(flag.string())) flag.fail(`seccomp flag "${flag.shown()}" is not known`);
  }
  return {
    defaultAction: actionOf(field.get('defaultAction'), field.get('defaultErrnoRet')),
    hasX32: archs.some((item) => item.string() === X32),
    rules: syscalls.flatMap(rulesOf),
  };
}

function named<T>(field: Field, table: Record<string, T>, what: string): T {
  const name = field.string();
  if (!Object.hasOwn(table, name)) field.fail(`string ${field.shown()} is not a valid ${what} for seccomp`);
  return table[name] as T;
}

function actionOf(field: Field, errnoRet: Field): number {
  const action = named(field, ACTIONS, 'action');
  if (action === ACTIONS['SCMP_ACT_NOTIFY']) field.fail("SCMP_ACT_NOTIFY is not supported: an agent on the host cannot hold a descriptor of the sandbox's kernel");
  const takesErrno = action === ACTIONS['SCMP_ACT_ERRNO'] || action === ACTIONS['SCMP_ACT_TRACE'];
  const errno = errnoRet.optionalInteger(0, action === ACTIONS['SCMP_ACT_ERRNO'] ? MAX_ERRNO : 0xffff, EPERM);
  return takesErrno ? action + errno : action;
}

function rulesOf(field: Field): SeccompRule[] {
  const action = actionOf(field.get('action'), field.get('errnoRet'));
  const names = field.get('names').items().map((name) => name.string() || name.fail('empty string is not a valid syscall'));
  const args = field.get('args').items().map(conditionOf);
  // Two conditions on one argument mean either of them, as in runc: libseccomp takes only one an argument in a rule.
  const isEither = new Set(args.map((condition) => condition.arg)).size < args.length;
  return names.flatMap((name) => (isEither ? args.map((condition) => ({ name, action, args: [condition] })) : [{ name, action, args }]));
}

function conditionOf(field: Field): SeccompCondition {
  const index = field.get('index');
  const arg = index.integer(0, 0xffffffff);
  if (arg >= MAX_ARGUMENTS) index.fail(`syscalls only have up to 6 arguments (${arg} given)`);
  return { arg, op: named(field.get('op'), OPERATORS, 'operator'), a: field.get('value').unsigned64(), b: field.get('valueTwo').isPresent ? field.get('valueTwo').unsigned64() : 0n };
}
