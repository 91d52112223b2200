// SPDX-License-Identifier: Apache-2.0

/** linux.seccomp: what a profile means, and what is refused by name. */
import { describe, expect, it } from 'vitest';
import { Field } from './checker.ts';
import { parseConfig } from './load.ts';
import { translateSeccomp } from './seccomp.ts';

const translate = (profile: unknown) => translateSeccomp(new Field(profile, 'linux.seccomp'));
const rule = (more: object) => ({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', ...more }] });
const compare = (index: number, more: object = {}) => ({ index, value: 1, op: 'SCMP_CMP_EQ', ...more });

describe('translateSeccomp()', () => {
  it('takes an absent or empty profile for none', () => {
    expect(translate(undefined)).toBeNull();
    expect(translate({})).toBeNull();
  });
  it('adds the errno to the actions that have one, EPERM unless it is given', () => {
    expect(translate(rule({}))?.rules[0]?.action).toBe(0x00050001);
    expect(translate(rule({ errnoRet: 38 }))?.rules[0]?.action).toBe(0x00050026);
    expect(translate(rule({ action: 'SCMP_ACT_KILL', errnoRet: 38 }))?.rules[0]?.action).toBe(0);
    expect(translate({ defaultAction: 'SCMP_ACT_TRACE', defaultErrnoRet: 7 })?.defaultAction).toBe(0x7ff00007);
  });
  it('splits conditions on one argument into rules of their own, and keeps others together', () => {
    expect(translate(rule({ args: [compare(0), compare(1)] }))?.rules).toHaveLength(1);
    expect(translate(rule({ args: [compare(0), compare(0, { value: 2 })] }))?.rules).toHaveLength(2);
  });
  it('keeps all 64 bits of a value', () => {
    const text = '{"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":18446744073709551615,"valueTwo" : 1311768467463790320,"op":"SCMP_CMP_MASKED_EQ"}]}],"defaultAction":"SCMP_ACT_KILL"}';
    expect(translateSeccomp(parseConfig(text, 'x'))?.rules[0]?.args[0]).toEqual({ arg: 0, op: 7, a: 0xffffffffffffffffn, b: 0x123456789abcdef0n });
  });
  it.each([
    [{ defaultAction: 'SCMP_ACT_NO' }, /defaultAction: string SCMP_ACT_NO is not a valid action for seccomp/],
    [rule({ action: 'ALLOW' }), /syscalls\[0\]\.action: string ALLOW is not a valid action/],
    [rule({ args: [compare(6)] }), /index: syscalls only have up to 6 arguments/],
    [rule({ args: [compare(0, { op: 'EQ' })] }), /op: string EQ is not a valid operator/],
    [{ ...rule({}), architectures: ['SCMP_ARCH_Z80'] }, /architectures\[0\]: string SCMP_ARCH_Z80 is not a valid arch/],
    [{ ...rule({}), flags: ['SECCOMP_FILTER_FLAG_X'] }, /flags\[0\]: seccomp flag "SECCOMP_FILTER_FLAG_X" is not known/],
    [rule({ action: 'SCMP_ACT_NOTIFY' }), /SCMP_ACT_NOTIFY is not supported/],
    [rule({ names: [''] }), /names\[0\]: empty string/],
    [rule({ errnoRet: 5000 }), /errnoRet: must be between/],
  ])('refuses %j', (profile, message) => expect(() => translate(profile)).toThrow(message));
});
