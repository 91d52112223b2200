// SPDX-License-Identifier: Apache-2.0

/**
 * How containers are to be run: the options that come with `create` (runc's, or the path of a configuration file), with defaults. Written
 * down in the bundle for `delete`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, RunscError, systemReason } from '../errors.ts';
import { parseSettings, type Settings } from './toml_settings.ts';
import { LinuxCreateOptions, RuncOptions, RuntimeOptions } from './protocol/option_messages.ts';

export interface ShimOptions {
  /** The runtime; '': the one that the shim came with. */
  readonly binaryName: string;
  /** Directory for container state, without the namespace; '': the default. */
  readonly root: string;
  readonly shimCgroup: string;
  readonly systemdCgroup: boolean;
  readonly ioUid: number;
  readonly ioGid: number;
  /** Global flags for the runtime. */
  readonly flags: readonly string[];
}

const DEFAULT_ROOT = '/run/containerd/runsc-ts';
const CONFIG_FILES = ['/run/containerd/runsc-ts/config.toml', '/etc/containerd/runsc-ts/config.toml'];
const NONE: ShimOptions = { binaryName: '', root: '', shimCgroup: '', systemdCgroup: false, ioUid: 0, ioGid: 0, flags: [] };

/** The options that came as Any; null: none did. Throws RunscError. */
export function decodeOptions(any: { typeUrl: string; value: Uint8Array } | null): ShimOptions {
  const url = (any?.typeUrl ?? '').replace(/^.*\//, '');
  if (any === null || url === '') return fromDefaultFile();
  if (url === 'containerd.runc.v1.Options') {
    const { binaryName, root, shimCgroup, systemdCgroup, ioUid, ioGid } = decode(() => RuncOptions.decode(any.value));
    return { binaryName, root, shimCgroup, systemdCgroup, ioUid, ioGid, flags: [] };
  }
  if (url === 'containerd.linux.runc.CreateOptions') {
    const { shimCgroup, ioUid, ioGid } = decode(() => LinuxCreateOptions.decode(any.value));
    return { ...fromDefaultFile(), shimCgroup, ioUid, ioGid };
  }
  if (url === 'runtimeoptions.v1.Options') {
    const { configPath, configBody } = decode(() => RuntimeOptions.decode(any.value));
    if (configBody.length > 0) return fromText(Buffer.from(configBody).toString(), 'runtime options');
    return configPath === '' ? fromDefaultFile() : fromFile(configPath);
  }
  throw new RunscError(`unsupported option type "${any.typeUrl}"`);
}

function decode<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new RunscError(`runtime options: ${messageOf(error)}`);
  }
}

function fromDefaultFile(): ShimOptions {
  const file = CONFIG_FILES.find((path) => existsSync(path));
  return file === undefined ? NONE : fromFile(file);
}

function fromFile(path: string): ShimOptions {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new RunscError(`${path}: ${systemReason(error)}`);
  }
  return fromText(text, path);
}

function fromText(text: string, name: string): ShimOptions {
  const { '': top = {}, runsc_config: config = {} } = parseSettings(text, name) as Record<string, Settings | undefined>;
  const string = (key: string): string => String(top[key] ?? '');
  const id = (key: string): number => (typeof top[key] === 'number' ? top[key] : 0);
  const flags = Object.entries(config).map(([key, value]) => `--${key}=${value}`);
  return { binaryName: string('binary_name'), root: string('root'), shimCgroup: string('shim_cgroup'), systemdCgroup: false, ioUid: id('io_uid'), ioGid: id('io_gid'), flags };
}

/** The runtime's --root. */
export function stateRoot(options: ShimOptions, namespace: string): string {
  return join(options.root === '' ? DEFAULT_ROOT : options.root, namespace);
}

/** Throws RunscError. */
export function saveOptions(bundle: string, options: ShimOptions): void {
  const path = join(bundle, 'options.json');
  try {
    writeFileSync(path, JSON.stringify(options), { mode: 0o600 });
  } catch (error) {
    throw new RunscError(`${path}: ${systemReason(error)}`);
  }
}

/** What was saved; the defaults when nothing was. */
export function savedOptions(bundle: string): ShimOptions {
  try {
    return { ...NONE, ...(JSON.parse(readFileSync(join(bundle, 'options.json'), 'utf8')) as ShimOptions) };
  } catch {
    return NONE;
  }
}
