// SPDX-License-Identifier: Apache-2.0

/**
 * cgroups (runtime-tools: linux_cgroups_*, linux_cgroups_relative_*, delete_resources, delete_only_create_resources; runc's bats: cgroups,
 * update, events) and what of limits is seen inside.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, Config, World } from '../world.ts';

const pathOf = (w: World): string => `/oci-conformance-${process.pid}-${w.runtime.name}/${w.directory.split('/').at(-1)}`;
const file = (w: World, name: string): string => join('/sys/fs/cgroup', name.split('.')[0] as string, pathOf(w), name);
const value = (w: World, name: string): string => (existsSync(file(w, name)) ? readFileSync(file(w, name), 'latin1').trim() : 'no such file');

const limited = (w: World, resources: object): ((config: Config) => void) => (config) => {
  config.linux.cgroupsPath = pathOf(w);
  config.linux.resources = { ...config.linux.resources, ...resources };
};

function note(w: World, ...names: string[]): void {
  for (const name of names) w.note(`${name} ${value(w, name)}`);
}

export const resourceCases: readonly Case[] = [
  {
    name: 'memory: limits on the host, update, gone with the container',
    needsRoot: true,
    needsCgroup: 'memory',
    run: (w) => {
      w.configure(['sleep', '100'], limited(w, { memory: { limit: 104857600, reservation: 52428800, swappiness: 50 } }));
      w.detached('run', '-d', 'c');
      note(w, 'memory.limit_in_bytes', 'memory.soft_limit_in_bytes', 'memory.swappiness');
      w.note(`in it: ${readFileSync(file(w, 'memory.procs').replace('memory.procs', 'cgroup.procs'), 'latin1').split('\n').includes(String(w.stateOf()['pid']))}`);
      w.note(`update ${w.cli('update', '--memory', '209715200', 'c').status}`);
      note(w, 'memory.limit_in_bytes');
      w.note(`update ${w.withInput(JSON.stringify({ memory: { limit: 157286400 } }), 'update', '--resources', '-', 'c').status}`);
      note(w, 'memory.limit_in_bytes');
      w.cli('delete', '--force', 'c');
      note(w, 'memory.limit_in_bytes');
    },
    expect: [
      'memory.limit_in_bytes 104857600', 'memory.soft_limit_in_bytes 52428800', 'memory.swappiness 50', 'in it: true', 'update 0', 'memory.limit_in_bytes 209715200', 'update 0', 'memory.limit_in_bytes 157286400',
      'memory.limit_in_bytes no such file',
    ],
  },
  {
    name: 'cpu and cpuset',
    needsRoot: true,
    needsCgroup: 'cpu',
    run: (w) => {
      w.configure(['sleep', '100'], limited(w, { cpu: { shares: 512, quota: 50000, period: 100000, cpus: '0', mems: '0' } }));
      w.detached('run', '-d', 'c');
      note(w, 'cpu.shares', 'cpu.cfs_quota_us', 'cpu.cfs_period_us', 'cpuset.cpus', 'cpuset.mems');
      w.note(`processors inside: ${w.cli('exec', 'c', 'nproc').out.trim()}`);
      w.note(`update ${w.cli('update', '--cpu-share', '256', '--cpu-quota', '60000', '--cpu-period', '200000', 'c').status}`);
      note(w, 'cpu.shares', 'cpu.cfs_quota_us', 'cpu.cfs_period_us');
    },
    expect: [
      'cpu.shares 512', 'cpu.cfs_quota_us 50000', 'cpu.cfs_period_us 100000', 'cpuset.cpus 0', 'cpuset.mems 0', 'processors inside: 1', 'update 0', 'cpu.shares 256', 'cpu.cfs_quota_us 60000', 'cpu.cfs_period_us 200000',
    ],
  },
  {
    name: 'pids: the limit holds inside',
    needsRoot: true,
    needsCgroup: 'pids',
    run: (w) => {
      w.script('i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done 2>&1 | grep -c -i fork; echo end', limited(w, { pids: { limit: 20 } }));
      const result = w.cli('run', 'c');
      w.note(`refused: ${/fork/i.test(result.out + result.err) || !result.out.startsWith('0')}`);
    },
    expect: ['refused: true'],
  },
  {
    name: 'blkio throttling, and controllers that few use',
    needsRoot: true,
    needsCgroup: 'blkio',
    run: (w) => {
      w.configure(['sleep', '100'], limited(w, { blockIO: { throttleReadBpsDevice: [{ major: 1, minor: 0, rate: 1048576 }], throttleWriteIOPSDevice: [{ major: 1, minor: 0, rate: 100 }] } }));
      const { status } = w.detached('run', '-d', 'c');
      w.note(`${status === 0 || !existsSync('/dev/ram0')}`);
    },
    expect: ['true'],
  },
  {
    name: 'a relative cgroupsPath; only what create made is deleted',
    needsRoot: true,
    needsCgroup: 'pids',
    run: (w) => {
      const mine = join('/sys/fs/cgroup/pids', pathOf(w));
      mkdirSync(mine, { recursive: true });
      w.configure(['sleep', '100'], (c) => {
        c.linux.cgroupsPath = `${pathOf(w)}/inner`;
        c.linux.resources.pids = { limit: 50 };
      });
      w.detached('run', '-d', 'c');
      w.note(`inner ${existsSync(join(mine, 'inner'))}`);
      w.cli('delete', '--force', 'c');
      w.note(`inner ${existsSync(join(mine, 'inner'))}, the one above ${existsSync(mine)}`);
      rmdirSync(mine);
    },
    expect: ['inner true', 'inner false, the one above true'],
  },
  {
    name: 'events --stats: one JSON object',
    needsRoot: true,
    needsCgroup: 'memory',
    run: (w) => {
      w.configure(['sleep', '100'], limited(w, { memory: { limit: 209715200 }, pids: { limit: 100 } }));
      w.detached('run', '-d', 'c');
      const event = JSON.parse(w.cli('events', '--stats', 'c').out) as Config;
      w.note(`${event.type} ${event.id} ${event.data.memory.usage.limit} ${event.data.memory.usage.usage > 0} ${event.data.cpu.usage.total > 0} ${event.data.pids.current > 0}`);
    },
    expect: ['stats c 209715200 true true true'],
  },
  {
    name: 'limits seen inside: memory, and the cgroup filesystem',
    needsRoot: true,
    needsCgroup: 'memory',
    differs: "runc shows the host's hierarchies of cgroup v1, this runtime a cgroup v2 of the container's own, and the limit in /proc/meminfo",
    run: (w) => {
      w.script('cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max; grep MemTotal /proc/meminfo | tr -s " "; touch /sys/fs/cgroup/x 2>/dev/null || echo refused', (c) => {
        limited(w, { memory: { limit: 104857600 }, cpu: { quota: 50000, period: 100000 }, pids: { limit: 77 } })(c);
        c.mounts.push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro', 'nosuid'] });
      });
      w.runAndNote();
    },
    expect: ['104857600', '50000 100000', '77', 'MemTotal: 102400 kB', 'refused'],
  },
  {
    name: 'cgroup paths and values that cannot be are refused',
    needsRoot: true,
    needsCgroup: 'memory',
    run: (w) => {
      w.configure(['true'], (c) => {
        limited(w, { cpu: { cpus: '999' } })(c);
      });
      w.note(`${w.detached('create', 'c').status}`);
      w.configure(['true'], (c) => {
        limited(w, { unified: { 'memory.max': '1000000' } })(c);
      });
      w.note(`${w.detached('create', 'c').status}`);
      for (const path of ['/a\0b', `/${'x'.repeat(300)}/${'y'.repeat(5000)}`, '/oci-conformance\nname']) {
        w.configure(['true'], (c) => {
          c.linux.cgroupsPath = path;
        });
        w.note(`${w.detached('create', 'c').status}`);
      }
      w.says(w.cli('state', 'c'), 'container does not exist');
    },
    expect: ['1', '1', '1', '1', '1', '1 container does not exist'],
  },
];
