// SPDX-License-Identifier: Apache-2.0

/**
 * Starts a child as pid 1 of new namespaces, as our own child.
 *
 * The way there: one clone(2) into all of them. Where the host refuses some, an intermediate is forked, which unshares what it can (only a
 * process of one thread may unshare a user namespace), forks the real child (the first one into the new pid namespace is its init) and exits. We
 * are a child subreaper, so the real child becomes ours. It is told to go on only after the intermediate was reaped: PR_SET_PDEATHSIG
 * names whoever is the parent then.
 *
 * Invariants: when the child's main runs, its death signal is armed against our own death, and we were alive after that.
 */
import { writeFileSync } from 'node:fs';
import {
  close,
  exitNow,
  getpid,
  kill,
  poll,
  prctl,
  read,
  socketpair,
  unshare,
  waitPid,
  write,
} from '../../ffi/lifecycle.ts';
import { cloneChild, forkChild } from './fork_child.ts';

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

const NAMES: readonly (readonly [number, string])[] = [
  [CLONE_NEWNS, 'mount'],
  [CLONE_NEWUTS, 'uts'],
  [CLONE_NEWIPC, 'ipc'],
  [CLONE_NEWPID, 'pid'],
  [CLONE_NEWNET, 'network'],
];

const PR_SET_PDEATHSIG = 1;
const PR_SET_CHILD_SUBREAPER = 36;
const SIGKILL = 9;
const EPERM = -1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const POLLHUP = 16;

/** uid and gid maps of a new user namespace: one id each (`inside outside 1`). */
export interface IdMap {
  insideUid: number;
  outsideUid: number;
  insideGid: number;
  outsideGid: number;
}

export interface ChildPlan {
  /** For messages. */
  readonly name: string;
  /** CLONE_NEW* wanted, without CLONE_NEWUSER. */
  readonly namespaces: number;
  /** A user namespace of its own with this map; null: none. */
  readonly userNamespace: IdMap | null;
  /** True: only root of the initial namespace may write the map (it maps an id that is not our own). */
  readonly mapFromOutside: boolean;
  /** False: outlives us (a detached container). */
  readonly diesWithParent: boolean;
  /** Runs in the child before anything else, while the parent arranges the rest. What it returns, born() is told. */
  readonly load: () => boolean;
  /** Runs in the child (`socket` must stay open) after namespaces were entered and before the go-ahead; not yet under the death signal. Non-empty text: failure. */
  readonly prepare: (granted: Granted, socket: number) => string;
  /** Called by the parent when the child is ready, before it is told to go on. */
  readonly born?: (pid: number, loaded: boolean) => void;
  /** The child's life. Returns the exit status. */
  readonly main: (granted: Granted) => number;
}

/** What the host let the child have. */
export interface Granted {
  /** CLONE_NEW* bits in force, CLONE_NEWUSER included. */
  namespaces: number;
  /** What was asked for and refused, for the debug log. */
  readonly refused: string[];
}

export interface StartedChild {
  readonly pid: number;
  /** Kept open for as long as the child shall live: it is how a child that starts late sees that we are gone. */
  readonly lifeLine: number;
}

/** A child on its way: it goes on while we do something else. */
export interface StartingChild {
  readonly plan: ChildPlan;
  readonly socket: number;
  /** The child, or 0: the intermediate will tell. */
  readonly pid: number;
  /** 0: none, the child was born in its namespaces. */
  readonly intermediate: number;
}

/** Begins to start a child; finishChild() must follow. Returns it, or one line saying what failed. */
export function beginChild(plan: ChildPlan): StartingChild | string {
  const pair = socketpair(SOCK_STREAM_CLOEXEC);
  if (typeof pair === 'number') return `${plan.name}: socketpair: errno ${-pair}`;
  const [ours, theirs] = pair;
  const born = bornInNamespaces(plan, ours, theirs);
  if (born > 0) {
    close(theirs);
    return { plan, socket: ours, pid: born, intermediate: 0 };
  }
  // Refused as a whole: an intermediate finds out what is allowed.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const intermediate = forkChild(() => {
    close(ours);
    return intermediateMain(plan, theirs);
  });
  close(theirs);
  if (intermediate < 0) {
    close(ours);
    return `${plan.name}: fork: errno ${-intermediate}`;
  }
  return { plan, socket: ours, pid: 0, intermediate };
}

/** One clone into all the namespaces wanted. Returns the child's pid, or errno. */
function bornInNamespaces(plan: ChildPlan, ours: number, theirs: number): number {
  const userNamespace = plan.userNamespace === null ? 0 : CLONE_NEWUSER;
  const granted: Granted = { namespaces: plan.namespaces | userNamespace, refused: [] };
  const pid = cloneChild(granted.namespaces, () => {
    close(ours);
    const loaded = plan.load();
    const answer = Buffer.alloc(1);
    if (read(theirs, answer) !== 1) return 1;
    return childMain(plan, theirs, granted, loaded);
  });
  if (pid <= 0) return pid;
  if (plan.userNamespace !== null && !writeMaps(pid, plan.userNamespace, !plan.mapFromOutside)) {
    kill(pid, SIGKILL);
    waitPid(pid, 0);
    return EPERM;
  }
  write(ours, Buffer.from('y'));
  return pid;
}

/** Waits until the child is ready and tells it to go on. Returns it, or one line saying what failed. */
export function finishChild(starting: StartingChild): StartedChild | string {
  const result = awaitStart(starting);
  if (typeof result === 'string') close(starting.socket);
  return result;
}

function awaitStart(starting: StartingChild): StartedChild | string {
  const { plan, socket, intermediate } = starting;
  let pid = starting.pid;
  let reaped = intermediate === 0;
  let loaded: boolean | null = null;
  const fail = (why: string): string => {
    if (pid > 0) kill(pid, SIGKILL);
    if (!reaped) {
      kill(intermediate, SIGKILL);
      waitPid(intermediate, 0);
    }
    if (pid > 0) waitPid(pid, 0);
    return `${plan.name}: ${why}`;
  };
  for (;;) {
    const line = readLine(socket);
    if (line === null) return fail('it ended before it started');
    const [word, ...rest] = line.split(' ');
    const value = rest.join(' ');
    if (word === 'map') {
      write(socket, Buffer.from(writeMaps(intermediate, plan.userNamespace as IdMap, false) ? 'y' : 'n'));
    } else if (word === 'pid') {
      pid = Number(value);
      waitPid(intermediate, 0);
      reaped = true;
    } else if (word === 'failed') return fail(value);
    else if (word === 'ready') loaded = value === 'true';
    // The child and the intermediate write to the same socket: their lines may come in either order.
    if (loaded !== null && pid > 0) {
      plan.born?.(pid, loaded);
      write(socket, Buffer.from('g'));
      return { pid, lifeLine: socket };
    }
  }
}

/** Reads one line, byte by byte (lines are few and short); null at the end. */
function readLine(fd: number): string | null {
  const one = Buffer.alloc(1);
  let text = '';
  for (;;) {
    const n = read(fd, one);
    if (n === -4) continue;
    if (n <= 0) return null;
    if (one[0] === 10) return text;
    text += String.fromCharCode(one[0] as number);
  }
}

function say(socket: number, text: string): void {
  write(socket, Buffer.from(`${text.replace(/\n/g, ' ')}\n`));
}

/** Returns the intermediate's exit status. */
function intermediateMain(plan: ChildPlan, socket: number): number {
  const granted: Granted = { namespaces: 0, refused: [] };
  if (plan.userNamespace !== null) {
    const why = enterUserNamespace(plan, socket);
    if (why === '') granted.namespaces |= CLONE_NEWUSER;
    else granted.refused.push(`user namespace: ${why}`);
  }
  enterNamespaces(plan.namespaces, granted);
  const pid = forkChild(() => {
    return childMain(plan, socket, granted, plan.load());
  });
  say(socket, pid < 0 ? `failed fork: errno ${-pid}` : `pid ${pid}`);
  return 0;
}

function enterUserNamespace(plan: ChildPlan, socket: number): string {
  const result = unshare(CLONE_NEWUSER);
  if (result < 0) return `errno ${-result}`;
  if (!plan.mapFromOutside)
    return writeMaps(getpid(), plan.userNamespace as IdMap, true) ? '' : 'its id maps were refused';
  say(socket, 'map');
  const answer = Buffer.alloc(1);
  read(socket, answer);
  return answer[0] === 0x79 ? '' : 'its id maps were refused';
}

function writeMaps(pid: number, map: IdMap, denySetgroups: boolean): boolean {
  try {
    if (denySetgroups) writeFileSync(`/proc/${pid}/setgroups`, 'deny');
    writeFileSync(`/proc/${pid}/uid_map`, `${map.insideUid} ${map.outsideUid} 1\n`);
    writeFileSync(`/proc/${pid}/gid_map`, `${map.insideGid} ${map.outsideGid} 1\n`);
    return true;
  } catch {
    return false;
  }
}

/** All at once, or each that the host allows. */
function enterNamespaces(wanted: number, granted: Granted): void {
  if (unshare(wanted) === 0) {
    granted.namespaces |= wanted;
    return;
  }
  for (const [flag, name] of NAMES) {
    if ((wanted & flag) === 0) continue;
    const result = unshare(flag);
    if (result === 0) granted.namespaces |= flag;
    else granted.refused.push(`${name} namespace: errno ${-result}`);
  }
}

function childMain(plan: ChildPlan, socket: number, granted: Granted, loaded: boolean): number {
  const why = plan.prepare(granted, socket);
  if (why !== '') {
    say(socket, `failed ${why}`);
    return 1;
  }
  say(socket, `ready ${loaded}`);
  const go = Buffer.alloc(1);
  if (read(socket, go) !== 1) exitNow(1);
  if (plan.diesWithParent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (parentIsGone(socket)) exitNow(1);
  }
  close(socket);
  return plan.main(granted);
}

/** The other end stays open for as long as our parent lives (and nobody else holds it: children close what they do not need). */
function parentIsGone(socket: number): boolean {
  const entry = { fd: socket, events: 0, revents: 0 };
  poll([entry], 0);
  return (entry.revents & POLLHUP) !== 0;
}
