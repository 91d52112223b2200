// SPDX-License-Identifier: Apache-2.0

/**
 * What the host's kernel says about the processes of a running sandbox: docs/architecture.md, "Isolation".
 *
 * Behaviours: Sentry, Gofer and stubs run under seccomp with no_new_privs; only the Gofer has capabilities, and only those it needs;
 * each is in namespaces of its own, in a root of its own; nothing of Node is mapped in a stub; the caller's descriptors and
 * environment stay with the caller.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { descendantsOf, killAll, listProcesses } from '../harness/processes.ts';
import { cliCommand, cliPath, FIXED_ENV } from '../harness/run.ts';
import { poll } from '../harness/started.ts';
import { makeTemporary } from '../harness/temporary.ts';

const SECRET = 'hunter2-of-the-caller';
const isRoot = process.geteuid?.() === 0;
/** CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP. */
const GOFER_CAPABILITIES = 0x8800001bn;

let scratch = '';
let cli = 0;
let sentry = 0;
let gofer = 0;
let stubs: number[] = [];
let guest = 0;

const read = (pid: number, file: string): string => readFileSync(`/proc/${pid}/${file}`, 'latin1');
const field = (pid: number, name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(read(pid, 'status'))?.[1] ?? '';
const namespace = (pid: number | 'self', name: string): string => readlinkSync(`/proc/${pid}/ns/${name}`);
const descriptors = (pid: number): string[] => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));

beforeAll(async () => {
  scratch = makeTemporary('isolation');
  writeFileSync(join(scratch, 'secret'), SECRET);
  const inherited = openSync(join(scratch, 'secret'), 'r');
  const [program, ...args] = cliCommand() as [string, ...string[]];
  const env = { ...FIXED_ENV, CALLERS_SECRET: SECRET };
  const child = spawn(program, [...args, 'do', '--', '/bin/sleep', '60'], { env, detached: true, stdio: ['ignore', 'ignore', 'ignore', inherited] });
  closeSync(inherited);
  cli = child.pid as number;
  await poll(() => comm('sleep') > 0, 10_000, () => 'the program did not start');
  guest = comm('sleep');
  sentry = listProcesses().find((p) => p.pid === guest)?.ppid as number;
  const children = listProcesses().filter((p) => p.ppid === cli).map((p) => p.pid);
  gofer = children.find((pid) => pid !== sentry) as number;
  stubs = descendantsOf(sentry);
});
afterAll(() => {
  if (cli > 0) killAll(cli, [cli]);
  rmSync(scratch, { recursive: true, force: true });
});

function comm(name: string): number {
  const below = new Set(descendantsOf(cli));
  return listProcesses().find((p) => below.has(p.pid) && p.comm === name)?.pid ?? 0;
}

describe.runIf(existsSync(cliPath()) && isRoot)('isolation', () => {
  test('every process is under seccomp and can gain no privileges', () => {
    expect(stubs.length).toBeGreaterThanOrEqual(2);
    for (const pid of [sentry, gofer, ...stubs]) {
      expect([pid, field(pid, 'Seccomp'), field(pid, 'NoNewPrivs')]).toEqual([pid, '2', '1']);
    }
  });

  test('only the Gofer has capabilities, and only those it needs', () => {
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      for (const pid of [sentry, ...stubs]) expect([set, BigInt(`0x${field(pid, set)}`)]).toEqual([set, 0n]);
      expect(BigInt(`0x${field(gofer, set)}`) & ~GOFER_CAPABILITIES).toBe(0n);
    }
  });

  test('Sentry and stubs are nobody, in namespaces of their own', () => {
    for (const pid of [sentry, ...stubs]) {
      expect(field(pid, 'Uid')).toMatch(/^65534\s+65534\s+65534\s+65534$/);
      expect(field(pid, 'Groups').trim()).toBe('');
      for (const name of ['user', 'pid', 'mnt', 'ipc', 'uts', 'net']) expect(namespace(pid, name), name).not.toBe(namespace('self', name));
    }
    for (const name of ['pid', 'mnt', 'ipc', 'uts', 'net']) {
      expect(namespace(gofer, name), name).not.toBe(namespace('self', name));
      expect(namespace(gofer, name), name).not.toBe(namespace(sentry, name));
    }
  });

  test('the Sentry sees an empty read-only root', () => {
    expect(readdirSync(`/proc/${sentry}/root`)).toEqual(['proc']);
    const mounts = read(sentry, 'mountinfo').trimEnd().split('\n').map((line) => line.split(' '));
    expect(mounts.map((m) => m[4])).toEqual(['/', '/proc']);
    for (const m of mounts) expect(m[5]?.split(',')).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev', 'noexec']));
  });

  test('the Gofer sees its trees and nothing else', () => {
    expect(readdirSync(`/proc/${gofer}/root`).sort()).toEqual(['0', 'proc']);
    for (const covered of ['proc', 'sys', 'dev']) expect(readdirSync(`/proc/${gofer}/root/0/${covered}`).filter((name) => name !== 'fs')).toEqual([]);
    const root = read(gofer, 'mountinfo').split('\n').map((line) => line.split(' ')).filter((m) => m[4] === '/0');
    expect(root.map((m) => m[5]?.split(',').includes('ro'))).toEqual([true]);
  });

  test('nothing of Node and nothing of the Sentry is mapped in a stub', () => {
    for (const pid of stubs) {
      expect(read(pid, 'maps')).not.toMatch(/node|koffi|\.so.*v8/i);
      expect(read(pid, 'limits')).toMatch(/Max core file size\s+0\s/);
    }
    const anonymous = read(stubs.find((pid) => pid !== guest) as number, 'maps').trimEnd().split('\n');
    expect(anonymous.length).toBeLessThan(10);
  });

  test('the descriptors of the caller stay with the caller', () => {
    for (const pid of [sentry, gofer, ...stubs]) expect(descriptors(pid).filter((name) => name.includes('secret'))).toEqual([]);
    expect(descriptors(gofer).filter((name) => name.startsWith('socket:')).length).toBe(1);
  });

  test('the environment of the caller stays with the caller', () => {
    for (const pid of [sentry, gofer, ...stubs.filter((pid) => pid !== guest)]) expect(read(pid, 'environ')).not.toContain(SECRET);
  });
});
