// SPDX-License-Identifier: Apache-2.0

/**
 * An allow-list of host system calls: number, name, why it is there, and conditions on its arguments.
 *
 * Linux: seccomp(2). Everything that is not on the list fails with EPERM.
 */
import {
  buildSeccompFilter,
  SCMP_ACT_ERRNO,
  SCMP_CMP_EQ,
  SCMP_CMP_MASKED_EQ,
  type SeccompArg,
  SeccompError,
} from '../ffi/libseccomp.ts';
import { seccompFilter } from '../ffi/lifecycle.ts';

const EPERM = 1;

export interface AllowedCall {
  readonly number: number;
  readonly name: string;
  readonly reason: string;
  /** Alternatives; each is a set of conditions that must all hold. Absent: any arguments. */
  readonly when?: readonly (readonly SeccompArg[])[];
}

/** One line of a list. */
export function allow(
  number: number,
  name: string,
  reason: string,
  when?: readonly (readonly SeccompArg[])[],
): AllowedCall {
  return when === undefined ? { number, name, reason } : { number, name, reason, when };
}

/** Argument `arg` has none of the bits but those in `bits` (of a 32-bit value). */
export function onlyBits(arg: number, bits: number): SeccompArg {
  return { arg, op: SCMP_CMP_MASKED_EQ, a: (~bits & 0xffffffff) >>> 0, b: 0 };
}
export function equals(arg: number, value: number): SeccompArg {
  return { arg, op: SCMP_CMP_EQ, a: value };
}

/** Builds the filter. Errors: throws SeccompError in one line (libseccomp is absent). */
export function compile(list: readonly AllowedCall[]): Uint8Array {
  const rules = list.flatMap((call) =>
    call.when === undefined ? [{ nr: call.number }] : call.when.map((args) => ({ nr: call.number, args })),
  );
  return buildSeccompFilter(rules, SCMP_ACT_ERRNO(EPERM));
}

/** Installs a compiled filter for good on this thread and its future ones. Precondition: no_new_privs. Returns 0 or errno. */
export function install(program: Uint8Array): number {
  return seccompFilter(program, 0);
}

export { SeccompError };
