// SPDX-License-Identifier: Apache-2.0

/**
 * Owes: identifiers are not reused at once; semaphore groups are atomic, first come first served, undone at exit; messages are
 * chosen by type and handed to waiting receivers.
 */
import { describe, expect, it } from 'vitest';
import { E2BIG, EAGAIN, EEXIST, EIDRM, EINVAL, ENOENT } from '../../../platform/abi/linux/errno.ts';
import { IPC_CREAT, IPC_EXCL, IPC_NOWAIT, MSG_EXCEPT, MSG_NOERROR, SEM_UNDO } from '../../../platform/abi/linux/ipc.ts';
import { rootCredentials } from '../../auth/credentials.ts';
import { UserNamespace } from '../../auth/user_namespace.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';
import type { ThreadGroup } from '../process/thread_group.ts';
import { IpcIds } from './ipc_ids.ts';
import { MessageQueue, type Receiver } from './msg.ts';
import { type PendingOperations, SemaphoreSet } from './sem.ts';

const creds = rootCredentials(new UserNamespace());
const group = (pid: number): ThreadGroup => ({ pid }) as unknown as ThreadGroup;

function set(count: number): SemaphoreSet {
  return new SemaphoreSet(0, 0o600, creds, count, 1);
}
function ops(g: ThreadGroup, ...list: [number, number, number?][]): PendingOperations {
  return {
    operations: list.map(([index, delta, flags]) => ({ index, delta, flags: flags ?? 0 })),
    group: g,
    queue: new WaitQueue(),
    blockedOn: 0,
    result: null,
  };
}

describe('IpcIds', () => {
  it('finds by key and gives a removed index another identifier', () => {
    const ids = new IpcIds<SemaphoreSet>(() => 2);
    const make = (): SemaphoreSet => new SemaphoreSet(5, 0o600, creds, 1, 0);
    expect(ids.get(creds, 5, 0, () => 0, make)).toBe(ENOENT);
    const first = ids.get(creds, 5, IPC_CREAT, () => 0, make);
    expect(ids.get(creds, 5, IPC_CREAT, () => 0, make)).toBe(first);
    expect(ids.get(creds, 5, IPC_CREAT | IPC_EXCL, () => 0, make)).toBe(EEXIST);
    expect(ids.get(creds, 5, 0, () => EINVAL, make)).toBe(EINVAL);
    ids.remove(ids.find(first) as SemaphoreSet);
    const second = ids.get(creds, 5, IPC_CREAT, () => 0, make);
    const third = ids.get(
      creds,
      6,
      IPC_CREAT,
      () => 0,
      () => new SemaphoreSet(6, 0o600, creds, 1, 0),
    );
    expect(new Set([first, second, third]).size).toBe(3);
    expect(ids.find(first)).toSatisfy((r: unknown) => r === EIDRM || r === EINVAL);
  });
});

describe('SemaphoreSet', () => {
  it('operate() applies all operations or none', () => {
    const s = set(2);
    s.values.set([1, 0]);
    const who = ops(group(1), [0, -1], [1, -1]);
    expect(s.operate(who, 0)).toBe(true);
    expect([...s.values]).toEqual([1, 0]);
    expect(s.countWaiters(1, false)).toBe(1);
    expect(s.operate(ops(group(2), [1, -1, IPC_NOWAIT]), 0)).toBe(EAGAIN);
    expect(s.operate(ops(group(2), [1, 1]), 0)).toBe(0);
    expect(who.result).toBe(0);
    expect([...s.values]).toEqual([0, 0]);
  });
  it('wakes waiters in order and those waiting for zero', () => {
    const s = set(1);
    s.values[0] = 1;
    const zero = ops(group(1), [0, 0]);
    expect(s.operate(zero, 0)).toBe(true);
    const a = ops(group(2), [0, -2]);
    const b = ops(group(3), [0, -1]);
    expect(s.operate(a, 0)).toBe(true);
    expect(s.operate(b, 0)).toBe(0);
    expect(zero.result).toBe(0);
    expect(a.result).toBeNull();
    s.destroy();
    expect(a.result).toBe(EIDRM);
  });
  it('exit() takes back what SEM_UNDO recorded', () => {
    const s = set(1);
    const g = group(7);
    expect(s.operate(ops(g, [0, 5, SEM_UNDO]), 0)).toBe(0);
    expect(s.operate(ops(g, [0, -2, SEM_UNDO]), 0)).toBe(0);
    s.exit(g, 0);
    expect(s.values[0]).toBe(0);
    expect(s.pids[0]).toBe(7);
  });
});

describe('MessageQueue', () => {
  const message = (type: number, text: string): { type: number; data: Uint8Array } => ({
    type,
    data: Buffer.from(text),
  });
  it('receive() chooses by type, by lowest type, and by exception', () => {
    const q = new MessageQueue(0, 0o600, creds, 0);
    for (const [type, text] of [
      [3, 'c'],
      [1, 'a'],
      [2, 'b'],
    ] as const)
      q.send(message(type, text), 1, 0);
    expect(q.receive(-2, 0, 10, 1, 0)).toMatchObject({ type: 1 });
    expect(q.receive(3, MSG_EXCEPT, 10, 1, 0)).toMatchObject({ type: 2 });
    expect(q.receive(3, 0, 0, 1, 0)).toBe(E2BIG);
    expect(q.receive(3, MSG_NOERROR, 0, 1, 0)).toMatchObject({ type: 3 });
    expect(q.receive(0, 0, 10, 1, 0)).toBeNull();
    expect(q.bytes).toBe(0);
  });
  it('send() hands a message to the first receiver that wants it', () => {
    const q = new MessageQueue(0, 0o600, creds, 0);
    const receiver = (type: number): Receiver => ({
      type,
      flags: 0,
      size: 10,
      pid: 1,
      queue: new WaitQueue(),
      message: null,
      error: 0,
    });
    const [one, two] = [receiver(1), receiver(2)];
    q.wait(one);
    q.wait(two);
    q.send(message(2, 'x'), 1, 0);
    expect([one.message, two.message?.type]).toEqual([null, 2]);
    q.destroy();
    expect(one.error).toBe(EIDRM);
  });
});
