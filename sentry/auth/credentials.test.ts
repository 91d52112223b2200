// SPDX-License-Identifier: Apache-2.0

// Owes: set*id rules and their effect on capabilities; execve's transformation for root, plain users, set-id and file capabilities.
import { describe, expect, it } from 'vitest';
import { EPERM, isErrno } from '../../platform/abi/linux/errno.ts';
import { setfsuid, setresuid, setreuid, setuid } from './change_ids.ts';
import { CAP_EMPTY, CAP_FULL, Credentials, rootCredentials } from './credentials.ts';
import { credentialsAfterExec, parseFileCapabilities } from './exec_credentials.ts';
import { UserNamespace } from './user_namespace.ts';

const ns = new UserNamespace();
const root = rootCredentials(ns);
function user(uid: number): Credentials {
  const creds = new Credentials(ns);
  creds.ruid = creds.euid = creds.suid = creds.fsuid = uid;
  creds.rgid = creds.egid = creds.sgid = creds.fsgid = uid;
  return creds;
}
function ok(value: Credentials | number): Credentials {
  if (isErrno(value)) expect.fail(`errno ${value}`);
  return value as Credentials;
}
const plain = { mode: 0o100755, uid: 0, gid: 0, maySetId: true, capabilities: null };

describe('set*id', () => {
  it('setuid() by root changes all ids and drops capabilities', () => {
    const creds = ok(setuid(root, 5));
    expect([creds.ruid, creds.euid, creds.suid, creds.fsuid]).toEqual([5, 5, 5, 5]);
    expect(creds.permitted).toEqual(CAP_EMPTY);
  });
  it('setuid() by a user works only to its own ids', () => {
    expect(setuid(user(5), 6)).toBe(EPERM);
    expect(ok(setuid(user(5), 5)).euid).toBe(5);
  });
  it('seteuid and back keeps the permitted set and clears the effective one meanwhile', () => {
    const lower = ok(setresuid(root, 0xffffffff, 7, 0xffffffff));
    expect(lower.effective).toEqual(CAP_EMPTY);
    expect(lower.permitted).toEqual(CAP_FULL);
    expect(ok(setresuid(lower, 0xffffffff, 0, 0xffffffff)).effective).toEqual(CAP_FULL);
  });
  it('setreuid() sets the saved id when the real one is set', () => {
    expect(ok(setreuid(root, 3, 4)).suid).toBe(4);
  });
  it('setfsuid() of root to a user takes the file capabilities away and back', () => {
    const other = setfsuid(root, 9);
    expect(other.hasCap(1)).toBe(false);
    expect(other.hasCap(21)).toBe(true);
    expect(setfsuid(other, 0).effective).toEqual(CAP_FULL);
  });
});

describe('credentialsAfterExec()', () => {
  it('root keeps everything, a user has nothing', () => {
    expect(credentialsAfterExec(root, plain).creds.effective).toEqual(CAP_FULL);
    const after = credentialsAfterExec(user(5), plain);
    expect(after.creds.permitted).toEqual(CAP_EMPTY);
    expect(after.isSecure).toBe(false);
  });
  it('a set-user-ID root file gives a user root, securely', () => {
    const after = credentialsAfterExec(user(5), { ...plain, mode: 0o104755 });
    expect([after.creds.ruid, after.creds.euid, after.creds.suid]).toEqual([5, 0, 0]);
    expect(after.creds.effective).toEqual(CAP_FULL);
    expect(after.isSecure).toBe(true);
  });
  it('set-id bits do nothing on nosuid mounts or with no_new_privs', () => {
    expect(credentialsAfterExec(user(5), { ...plain, mode: 0o104755, maySetId: false }).creds.euid).toBe(5);
  });
  it('file capabilities are limited by the bounding set', () => {
    const data = new Uint8Array(20);
    new DataView(data.buffer).setUint32(0, 0x02000001, true);
    new DataView(data.buffer).setUint32(4, (1 << 10) | (1 << 13), true);
    const capabilities = parseFileCapabilities(data, 0);
    const creds = user(5);
    creds.bounding = [1 << 10, 0];
    const after = credentialsAfterExec(creds, { ...plain, capabilities });
    expect(after.creds.effective).toEqual([1 << 10, 0]);
    expect(after.isSecure).toBe(true);
  });
  it('ambient capabilities survive a plain file and not a privileged one', () => {
    const creds = user(5);
    creds.permitted = creds.inheritable = creds.ambient = creds.effective = [1 << 10, 0];
    expect(credentialsAfterExec(creds, plain).creds.effective).toEqual([1 << 10, 0]);
    expect(credentialsAfterExec(creds, { ...plain, mode: 0o104755, uid: 6 }).creds.ambient).toEqual(CAP_EMPTY);
  });
  it('parseFileCapabilities() refuses short and unknown data', () => {
    expect(parseFileCapabilities(new Uint8Array(19), 0)).toBeNull();
    expect(parseFileCapabilities(new Uint8Array(64), 0)).toBeNull();
  });
});
