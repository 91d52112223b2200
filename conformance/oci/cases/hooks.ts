// SPDX-License-Identifier: Apache-2.0

/**
 * Hooks (runtime-tools: prestart, prestart_fail, poststart, poststart_fail, poststop, poststop_fail, hooks, hooks_stdin, misc_props;
 * runc's bats: hooks, run).
 */
import { join } from 'node:path';
import type { Case, Config, World } from '../world.ts';

const KINDS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const;

/** A hook that writes its kind, and the state's status, to a file of the bundle. */
function hook(w: World, kind: string, more = ''): Config {
  return { path: '/bin/sh', args: ['sh', '-c', `echo ${kind} $(grep -o '"status": *"[a-z]*"' | cut -d'"' -f4) >> ${join(w.directory, 'trace')}; ${more}`], env: ['PATH=/usr/bin:/bin'] };
}

const outside = (w: World, failing = ''): Config =>
  Object.fromEntries(KINDS.filter((kind) => kind !== 'startContainer').map((kind) => [kind, [hook(w, kind, kind === failing ? 'echo why >&2; exit 3' : '')]]));

export const hookCases: readonly Case[] = [
  {
    name: 'all kinds, in order, with the state on their standard input',
    differs: 'runc 1.1 runs poststart hooks at the end of create, in the state created',
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.hooks = { ...outside(w), startContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'echo inside > /inside; hostname >> /inside'], env: ['PATH=/bin'] }] };
      });
      w.detached('create', 'c');
      w.note(w.read('trace').trim().replaceAll('\n', ', '));
      w.note(`before start: ${w.read('rootfs/inside') === ''}`);
      w.cli('start', 'c');
      w.note(w.read('rootfs/inside').trim().replaceAll('\n', ', '));
      w.cli('delete', '--force', 'c');
      w.note(w.read('trace').trim().split('\n').slice(3).join(', '));
    },
    expect: ['prestart creating, createRuntime creating, createContainer creating', 'before start: true', 'inside, conformance', 'poststart running, poststop stopped'],
  },
  ...(['prestart', 'createRuntime', 'createContainer'] as const).map((kind): Case => ({
    name: `${kind} fails: create fails, nothing is left, poststop has run`,
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.hooks = outside(w, kind);
      });
      w.says(w.detached('create', 'c'), 'exit status 3, stdout: , stderr: why');
      w.says(w.cli('state', 'c'), 'container does not exist');
      w.note(String(w.read('trace').includes('poststop')));
    },
    expect: ['1 exit status 3, stdout: , stderr: why', '1 container does not exist', 'true'],
  })),
  {
    name: 'a startContainer hook fails: start fails',
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.hooks = { startContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'exit 4'], env: ['PATH=/bin'] }] };
      });
      w.detached('create', 'c');
      w.note(`${w.cli('start', 'c').status}`);
      w.until(() => w.stateOf()['status'] !== 'running');
    },
    differs: 'runc 1.1 starts the program before it learns of the hook',
    expect: ['1'],
  },
  {
    name: 'poststart fails: start fails and the container goes; a failing poststop is only a warning',
    differs: 'runc stops at the first poststop hook that fails, the specification goes on',
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.hooks = { poststart: [hook(w, 'poststart', 'exit 3')] };
      });
      w.detached('create', 'c');
      w.note(`${w.cli('start', 'c').status}`);
      w.cli('delete', '--force', 'c');
      w.configure(['sleep', '100'], (c) => {
        c.hooks = { poststop: [hook(w, 'poststop', 'exit 3'), hook(w, 'second')] };
      });
      w.detached('create', 'c');
      w.note(`delete ${w.cli('delete', '--force', 'c').status} ${w.read('trace').includes('second')}`);
    },
    expect: ['1', 'delete 0 true'],
  },
  {
    name: 'a hook that hangs is ended at its timeout',
    run: (w) => {
      w.configure(['sleep', '100'], (c) => {
        c.hooks = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '100'], timeout: 1 }] };
      });
      w.says(w.detached('create', 'c'), 'hook ran past specified timeout of 1');
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    expect: ['1 hook ran past specified timeout of 1', '1 container does not exist'],
  },
  {
    name: 'a hook that does not exist, one that does not read its state, its own environment',
    run: (w) => {
      w.configure(['true'], (c) => {
        c.hooks = { prestart: [{ path: '/no/such/hook' }] };
      });
      w.says(w.detached('create', 'c'), 'no such file or directory');
      w.configure(['true'], (c) => {
        c.hooks = { prestart: [{ path: '/bin/sh', args: ['name', '-c', `echo "$0|$ONLY|$HOME" > ${join(w.directory, 'env')}`, 'argument'], env: ['ONLY=this'] }, { path: '/bin/true' }] };
      });
      w.note(`${w.cli('run', 'c').status} ${w.read('env').trim()}`);
    },
    expect: ['1 no such file or directory', '0 argument|this|'],
  },
];
