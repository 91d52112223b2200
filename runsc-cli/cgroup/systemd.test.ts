// SPDX-License-Identifier: Apache-2.0

/** What systemd is told of a container, and which paths it is asked for. */
import { describe, expect, it } from 'vitest';
import { changeUnit, properties, startUnit, stopUnit, unitOf } from './systemd.ts';

const recorder = () => {
  const calls: string[] = [];
  return { calls, runner: (program: string, args: readonly string[]) => {
    calls.push([program, ...args].join(' '));
    return '';
  } };
};
const MANAGER = 'call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager';

describe('systemd', () => {
  it('a unit is slice:prefix:name; an absolute path is refused', () => {
    expect(unitOf('machine.slice:libpod:abc', 'id')).toEqual({ slice: 'machine.slice', unit: 'libpod-abc.scope' });
    expect(unitOf('', 'id')).toEqual({ slice: 'system.slice', unit: 'runsc-ts-id.scope' });
    expect(unitOf('a.slice::b.slice', 'id')).toEqual({ slice: 'a.slice', unit: 'b.slice' });
    expect(() => unitOf('/a/b', 'id')).toThrow('expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/a/b" instead');
  });
  it('limits as properties', () => {
    expect(properties({ memory: 1000, memorySwap: 1500, memoryReservation: 500, cpuShares: 1024, cpuQuota: 33333, cpuPeriod: 100000, pids: 5 }, 2).map((p) => p.join(' '))).toEqual([
      'MemoryMax t 1000', 'MemoryLow t 500', 'MemorySwapMax t 500', 'CPUWeight t 39', 'CPUQuotaPerSecUSec t 340000', 'CPUQuotaPeriodUSec t 100000', 'TasksMax t 5',
    ]);
    expect(properties({ memory: -1, cpuShares: 512, cpuQuota: -1, pids: -1, blkioWeight: 10 }, 1).map((p) => p.join(' '))).toEqual([
      'MemoryLimit t 18446744073709551615', 'CPUShares t 512', 'CPUQuotaPerSecUSec t 18446744073709551615', 'TasksMax t 18446744073709551615', 'BlockIOWeight t 10',
    ]);
  });
  it('starts a scope with the first process in it, changes and stops it', () => {
    const { calls, runner } = recorder();
    startUnit({ slice: 'm.slice', unit: 'p-n.scope' }, 123, { pids: 7 }, { version: 2, isUser: false, runner });
    changeUnit({ slice: 'm.slice', unit: 'p-n.scope' }, { pids: 8 }, { version: 2, isUser: true, runner });
    changeUnit({ slice: 'm.slice', unit: 'p-n.scope' }, {}, { version: 2, isUser: true, runner });
    stopUnit('p-n.scope', false, runner);
    expect(calls).toEqual([
      `busctl --system --quiet ${MANAGER} StartTransientUnit ssa(sv)a(sa(sv)) p-n.scope replace 11 Description s runsc-ts container p-n.scope Slice s m.slice DefaultDependencies b false CollectMode s inactive-or-failed Delegate b true PIDs au 1 123 MemoryAccounting b true CPUAccounting b true IOAccounting b true TasksAccounting b true TasksMax t 7 0`,
      `busctl --user --quiet ${MANAGER} SetUnitProperties sba(sv) p-n.scope true 1 TasksMax t 8`,
      `busctl --system --quiet ${MANAGER} StopUnit ss p-n.scope replace`,
      `busctl --system --quiet ${MANAGER} ResetFailedUnit s p-n.scope`,
    ]);
  });
  it('says why it could not', () => {
    expect(() => startUnit({ slice: 'm.slice', unit: 'u.scope' }, 1, {}, { version: 2, isUser: false, runner: () => 'no bus' })).toThrow('unable to start unit "u.scope": no bus');
  });
});
