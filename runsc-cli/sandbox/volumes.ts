// SPDX-License-Identifier: Apache-2.0

/**
 * memfs volumes of a sandbox: read from the library before the fork, so that the Sentry is born with them, and written back by it.
 *
 * The library passes one duplex descriptor. Towards us it carries one msgpack map {name: snapshot} and its end; back go the same names with
 * what the sandbox left.
 */
import { readFileSync } from 'node:fs';
import { Packr } from 'msgpackr/pack';
import { write } from '../../platform/ffi/lifecycle.ts';
import { exportVolume, importVolume, type MemfsVolume } from '../../sentry/control/messages/volume_snapshot.ts';
import { RunscError } from '../errors.ts';
import type { SandboxConfig } from './config.ts';

declare const require: (name: string) => unknown;

/** moreTypes off, records off: plain msgpack, as the other end of a trust boundary can check it. */
const packr = new Packr({ useRecords: false, moreTypes: false });

/** What the command line hands to the Sentry. */
export interface SandboxVolumes {
  readonly volumes: ReadonlyMap<string, MemfsVolume>;
  /** The library's descriptor; -1: none. */
  readonly channel: number;
}

const volumes = new Map<string, MemfsVolume>();
let channel = -1;

/** All of them, as they are now. */
export function sandboxVolumes(): SandboxVolumes {
  return { volumes, channel };
}

/** In the Sentry: takes what the command line had. */
export function adoptVolumes(passed: SandboxVolumes): void {
  for (const [name, volume] of passed.volumes) volumes.set(name, volume);
  channel = passed.channel;
}

/** Reads the library's volumes from `fd`. Throws RunscError. */
export function receiveVolumes(fd: number): void {
  let received: unknown;
  try {
    received = packr.unpack(readFileSync(fd));
  } catch {
    throw new RunscError(`descriptor ${fd} does not carry volumes`);
  }
  if (typeof received !== 'object' || received === null) throw new RunscError(`descriptor ${fd} does not carry volumes`);
  channel = fd;
  for (const [name, snapshot] of Object.entries(received)) {
    const volume = newVolume();
    if (importVolume(volume, snapshot) !== 0) throw new RunscError(`volume ${name} is malformed`);
    volumes.set(name, volume);
  }
}

/** Makes an empty volume for each memfs mount that the library did not fill. Call before the fork. */
export function prepareVolumes(config: SandboxConfig): void {
  for (const mount of config.mounts) if (mount.kind === 'memfs' && !volumes.has(mount.source)) volumes.set(mount.source, newVolume());
}

export function volumeNamed(name: string): MemfsVolume | undefined {
  return volumes.get(name);
}

/** Descriptors the Sentry keeps for this. */
export function volumeDescriptors(): readonly number[] {
  return channel >= 0 ? [channel] : [];
}

/** Sends every volume back as it is now. */
export function returnVolumes(): void {
  if (channel < 0) return;
  write(channel, packr.pack(Object.fromEntries([...volumes].map(([name, volume]) => [name, exportVolume(volume)]))));
}

function newVolume(): MemfsVolume {
  const { Volume } = require('memfs') as { Volume: new () => unknown };
  return new Volume() as MemfsVolume;
}
