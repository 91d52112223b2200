// SPDX-License-Identifier: Apache-2.0

/**
 * A new container's cgroups: made by us, or by systemd when the first process is there to be put into its unit.
 */
import { closeEntrances, enterCgroups, joinCgroups, makeCgroups, openEntrances, removeCgroups } from '../cgroup/cgroup.ts';
import { hierarchies } from '../cgroup/hierarchies.ts';
import { startUnit, unitOf } from '../cgroup/systemd.ts';
import type { RuntimeLog } from '../console/log.ts';
import { messageOf } from '../errors.ts';
import type { GlobalFlags } from '../cmd/global_flags.ts';
import type { OciSettings } from '../spec/oci.ts';
import type { Container } from './state.ts';

/** How the processes of a sandbox get into the cgroups. */
export interface CgroupPlace {
  /** In a forked process, before and after it loads its code: puts itself there. False: it could not. */
  enter(stage: 'before' | 'after'): boolean;
  /** Puts a process there that could not do it itself, before it begins. Throws RunscError. */
  join(pid: number): void;
  /** When all are born. */
  close(): void;
}

const NOWHERE: CgroupPlace = { enter: () => true, join: () => {}, close: () => {} };

/** Makes the cgroups asked for. A bundle that asks for none stays in the caller's. Throws RunscError. */
export function prepareCgroups(container: Container, oci: OciSettings, flags: GlobalFlags, log: RuntimeLog): CgroupPlace {
  if (flags.ignoreCgroups || (oci.cgroupsPath === '' && !oci.hasResources)) return NOWHERE;
  const make = flags.systemdCgroup ? prepareSystemd : prepareFiles;
  try {
    return make(container, oci, (message) => log.debug('warn', message));
  } catch (error) {
    // Without the right to make cgroups a container is none the worse that did not ask for one by name.
    if (oci.cgroupsPath !== '' && process.geteuid?.() === 0) throw error;
    removeCgroups(container.record.cgroups);
    container.record.cgroups = [];
    container.record.cgroupsPath = '';
    container.save();
    log.debug('warn', `cgroups are not used: ${messageOf(error)}`);
    return NOWHERE;
  }
}

function prepareFiles(container: Container, oci: OciSettings, warn: (message: string) => void): CgroupPlace {
  const path = oci.cgroupsPath === '' ? `/${container.id}` : oci.cgroupsPath;
  container.record.cgroupsPath = path;
  const plan = (directories: string[]): void => {
    container.record.cgroups = directories;
    container.save();
  };
  container.record.cgroups = makeCgroups(path, oci.resources, warn, hierarchies(), plan);
  return placeIn(path);
}

/** Cgroups that are there. '': none. */
export function placeIn(path: string): CgroupPlace {
  if (path === '') return NOWHERE;
  const entrances = openEntrances(path);
  return { enter: (stage) => enterCgroups(entrances, stage === 'before' ? 'early' : 'late'), join: (pid) => joinCgroups(path, pid), close: () => closeEntrances(entrances) };
}

/** A unit begins with a process: its cgroup is there, and gets the limits that systemd does not know, once that is born. */
function prepareSystemd(container: Container, oci: OciSettings, warn: (message: string) => void): CgroupPlace {
  const unit = unitOf(oci.cgroupsPath, container.id);
  const path = oci.cgroupsPath === '' ? `:runsc-ts:${container.id}` : oci.cgroupsPath;
  const version = hierarchies()[0]?.version ?? 2;
  container.record.cgroupsPath = path;
  let isStarted = false;
  const join = (pid: number): void => {
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
  return { ...NOWHERE, enter: () => false, join };
}
