// SPDX-License-Identifier: Apache-2.0

/**
 * Compiles a seccomp profile to the program that the Sentry runs for each of the container's system calls.
 *
 * As in runc, calls newer than the profile end with ENOSYS, not with its default action, so that a C library falls back to what it knows.
 * Differs: a profile for x32 too is not compiled for it (twice the work at each start): those calls end with ENOSYS whatever it says.
 */
import { buildProfile, SeccompError } from '../../platform/ffi/libseccomp.ts';
import { RunscError } from '../errors.ts';
import type { SeccompProfile } from '../spec/seccomp.ts';

const RET_ERRNO_ENOSYS = 0x00050000 | 38;
const AUDIT_ARCH_X86_64 = 0xc000003e;
const X32_BIT = 0x40000000;
/** TRACE, LOG and ALLOW let a new call through already. */
const FIRST_ALLOWING = 0x7ff00000;
const KILL_PROCESS = 0x80000000;

const BPF_LD_W_ABS = 0x20;
const BPF_JEQ = 0x15;
const BPF_JGT = 0x25;
const BPF_JSET = 0x45;
const BPF_RET = 0x06;

/** The program as base64, and the system calls it names that nobody knows. Throws RunscError. */
export function compileSeccomp(profile: SeccompProfile): { program: string; unknown: readonly string[] } {
  try {
    const { program, highest, unknown } = buildProfile(profile.defaultAction, profile.rules);
    const isAllowing = profile.defaultAction >= FIRST_ALLOWING && profile.defaultAction !== KILL_PROCESS;
    const last = isAllowing || highest < 0 ? 0xffffffff : highest;
    return { program: Buffer.concat([prologue(last, profile.hasX32), program]).toString('base64'), unknown };
  } catch (error) {
    if (error instanceof SeccompError) throw new RunscError(`config.json: linux.seccomp: ${error.message}`);
    throw error;
  }
}

/** Ends calls above `highest`, and x32's when those have a say, with ENOSYS; whatever else goes on to what follows. */
function prologue(highest: number, hasX32: boolean): Buffer {
  const instructions: [code: number, jt: number, jf: number, k: number][] = [
    [BPF_LD_W_ABS, 0, 0, 4],
    [BPF_JEQ, 0, 4, AUDIT_ARCH_X86_64],
    [BPF_LD_W_ABS, 0, 0, 0],
    [BPF_JSET, hasX32 ? 1 : 2, 0, X32_BIT],
    [BPF_JGT, 0, 1, highest],
    [BPF_RET, 0, 0, RET_ERRNO_ENOSYS],
  ];
  const out = Buffer.alloc(instructions.length * 8);
  instructions.forEach(([code, jt, jf, k], i) => {
    out.writeUInt16LE(code, i * 8);
    out.writeUInt8(jt, i * 8 + 2);
    out.writeUInt8(jf, i * 8 + 3);
    out.writeUInt32LE(k, i * 8 + 4);
  });
  return out;
}
