// SPDX-License-Identifier: Apache-2.0

/**
 * A new container's cgroups: made by us, or by systemd when the first process is there to be put into its unit.
 */
import { joinCgroups, makeCgroups, removeCgroups } from '../cgroup/cgroup.ts';
import { hierarchies } from '../cgroup/hierarchies.ts';
import { startUnit, unitOf } from '../cgroup/systemd.ts';
import type { RuntimeLog } from '../console/log.ts';
import { messageOf } from '../errors.ts';
import type { GlobalFlags } from '../cmd/global_flags.ts';
import type { OciSettings } from '../spec/oci.ts';
import type { Container } from './state.ts';

/** Puts a process into the cgroups: called when it was forked and loads its code (not where it is booted), and again before it begins. */
export type JoinCgroups = (pid: number, stage: 'forked' | 'born') => void;

/** Makes the cgroups asked for. A bundle that asks for none stays in the caller's. Returns what puts a process into them. Throws RunscError. */
export function prepareCgroups(container: Container, oci: OciSettings, flags: GlobalFlags, log: RuntimeLog): JoinCgroups {
  if (flags.ignoreCgroups || (oci.cgroupsPath === '' && !oci.hasResources)) return () => {};
  const make = flags.systemdCgroup ? prepareSystemd : prepareFiles;
  try {
    return make(container, oci, (message) => log.debug('warn', message));
  } catch (error) {
    // Without the right to make cgroups a container is none the worse that did not ask for one by name.
    if (oci.cgroupsPath !== '' && process.geteuid?.() === 0) throw error;
    removeCgroups(container.record.cgroups);
    container.record.cgroups = [];
    container.record.cgroupsPath = '';
    log.debug('warn', `cgroups are not used: ${messageOf(error)}`);
    return () => {};
  } finally {
    container.save();
  }
}

function prepareFiles(container: Container, oci: OciSettings, warn: (message: string) => void): JoinCgroups {
  const path = oci.cgroupsPath === '' ? `/${container.id}` : oci.cgroupsPath;
  const plan = (directories: string[]): void => {
    container.record.cgroups = directories;
    container.save();
  };
  container.record.cgroups = makeCgroups(path, oci.resources, warn, hierarchies(), plan);
  container.record.cgroupsPath = path;
  const early = new Set<number>();
  return (pid, stage) => {
    if (stage === 'forked') {
      early.add(pid);
      joinCgroups(path, pid, 'early');
    } else joinCgroups(path, pid, early.has(pid) ? 'late' : 'all');
  };
}

/** A unit begins with a process: its cgroup is there, and gets the limits that systemd does not know, once that is born. */
function prepareSystemd(container: Container, oci: OciSettings, warn: (message: string) => void): JoinCgroups {
  const unit = unitOf(oci.cgroupsPath, container.id);
  const path = oci.cgroupsPath === '' ? `:runsc-ts:${container.id}` : oci.cgroupsPath;
  const version = hierarchies()[0]?.version ?? 2;
  container.record.cgroupsPath = path;
  let isStarted = false;
  return (pid, stage) => {
    if (stage === 'forked') return;
    if (!isStarted) {
      isStarted = true;
      container.record.systemdUnit = unit.unit;
      container.save();
      startUnit(unit, pid, oci.resources, { version, isUser: process.geteuid?.() !== 0 });
      container.record.cgroups = makeCgroups(path, oci.resources, warn);
      container.save();
    }
    joinCgroups(path, pid);
  };
}
