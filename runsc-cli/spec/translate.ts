// SPDX-License-Identifier: Apache-2.0

/**
 * config.json to SandboxConfig: every field that is honoured is checked here, and every rejection names its field.
 *
 * OCI runtime-spec: config.md, config-linux.md.
 * Differs: linux.seccomp is compiled, and resources and hooks are applied, by whoever makes the container; apparmorProfile is not applied
 *          and is reported in `warnings`.
 */
import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { RunscError, shorten, systemReason } from '../errors.ts';
import type { DeviceRule, LimitsConfig, MountConfig, MountKind, ProcessConfig, SandboxConfig, TreeConfig } from '../sandbox/config.ts';
import { capabilityWords } from './capability_names.ts';
import { cleanPath, type Field } from './checker.ts';
import { limitChanges, translateResources } from './resources.ts';
import { decodeMountOptions, MS_RDONLY } from './mount_options.ts';
import { RLIMITS } from './rlimit_names.ts';

const NO_LIMITS: LimitsConfig = { memory: null, memoryLow: 0, swap: null, cpuQuota: null, cpuPeriod: 100000, cpuWeight: 100, pids: null, cpus: '', mems: '' };
const MAX_ID = 0xffffffff - 1;

export interface RunSettings {
  readonly id: string;
  /** Where the config does not say one. */
  readonly hostname: string;
  readonly bundle: string;
  readonly overlay: boolean;
  readonly network: 'none' | 'host';
  readonly hostUds?: 'none' | 'open' | 'all';
  readonly platform: string;
  readonly debug: boolean;
  readonly strace: boolean;
}

/** Translates a whole config. Throws RunscError. Appends what is accepted but not applied to `warnings`. */
export function translateConfig(config: Field, settings: RunSettings, warnings: string[]): SandboxConfig {
  checkVersion(config.get('ociVersion'));
  for (const other of ['solaris', 'windows', 'vm', 'zos']) if (config.get(other).isPresent) config.get(other).fail('only Linux containers are supported');
  const root = config.get('root');
  if (!root.isPresent) root.fail('is required');
  const rootPath = rootDirectory(root.get('path'), settings.bundle);
  const rootReadonly = root.get('readonly').optionalBoolean(false);
  const trees: TreeConfig[] = [{ source: rootPath, readonly: rootReadonly || settings.overlay, isExclusive: true, covered: [] }];
  const mounts = config.get('mounts').items().map((mount) => translateMount(mount, settings.bundle, trees));
  const linux = config.get('linux');
  checkLinux(linux);
  checkAnnotations(config.get('annotations'));
  return {
    id: settings.id,
    hostname: hostName(config.get('hostname'), settings.hostname),
    domainname: config.get('domainname').optionalString(''),
    ...timeOffsets(linux),
    trees,
    rootReadonly,
    rootOverlay: settings.overlay,
    mounts,
    maskedPaths: linux.get('maskedPaths').items().map((path) => path.absolutePath()),
    readonlyPaths: linux.get('readonlyPaths').items().map((path) => path.absolutePath()),
    process: translateProcess(config.get('process'), warnings),
    network: settings.network,
    hostUds: settings.hostUds ?? 'none',
    platform: settings.platform,
    devices: linux.get('devices').items().map(translateDevice),
    sysctl: translateSysctl(linux.get('sysctl')),
    pidsLimit: pidsLimit(linux.get('resources').get('pids').get('limit')),
    ...deviceRules(linux.get('resources').get('devices')),
    limits: { ...NO_LIMITS, ...limitChanges(translateResources(linux.get('resources'))) },
    memoryLimit: memoryLimit(linux.get('resources').get('memory').get('limit')),
    debug: settings.debug,
    strace: settings.strace,
  };
}

function checkVersion(field: Field): void {
  const version = field.string();
  if (!/^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/.test(version)) field.fail(`invalid semver "${shorten(version)}"`);
  if (!version.startsWith('1.')) field.fail(`version "${shorten(version)}" is not supported, 1.x is`);
}

function rootDirectory(field: Field, bundle: string): string {
  const given = field.string();
  if (given === '') field.fail('must not be empty');
  const path = cleanPath(isAbsolute(given) ? given : join(bundle, given));
  try {
    if (!statSync(path).isDirectory()) field.fail(`${shorten(path)}: not a directory`);
  } catch (error) {
    if (error instanceof RunscError) throw error;
    field.fail(`${shorten(path)}: ${systemReason(error)}`);
  }
  return path;
}

function hostName(field: Field, fallback: string): string {
  const name = field.optionalString(fallback);
  if (Buffer.byteLength(name) > 64) field.fail('is longer than 64 bytes');
  return name;
}

function memoryLimit(field: Field): number | null {
  const limit = field.optionalInteger(-1, Number.MAX_SAFE_INTEGER, -1);
  return limit <= 0 ? null : limit;
}

function translateDevice(device: Field) {
  const number = (name: string): number => device.get(name).optionalInteger(0, 0xfffff, 0);
  return {
    path: device.get('path').absolutePath(), type: device.get('type').string(), major: number('major'), minor: number('minor'),
    mode: device.get('fileMode').optionalInteger(0, 0xffff, 0o666) & 0o7777,
    uid: device.get('uid').optionalInteger(0, MAX_ID, 0), gid: device.get('gid').optionalInteger(0, MAX_ID, 0),
  };
}

function deviceRules(field: Field): { deviceRules?: DeviceRule[] } {
  if (!field.isPresent) return {};
  const number = (at: Field): number => at.optionalInteger(-1, 0xffffffff, -1);
  return {
    deviceRules: field.items().map((rule) => {
      const access = rule.get('access').optionalString('rwm') || 'rwm';
      const type = rule.get('type').optionalString('a') || 'a';
      if (type !== 'a' && type !== 'b' && type !== 'c') return rule.get('type').fail(`invalid device type "${shorten(type)}"`);
      return { allow: rule.get('allow').optionalBoolean(false), type, major: number(rule.get('major')), minor: number(rule.get('minor')), access };
    }),
  };
}

/** Those of the network are set in its namespace too. */
function translateSysctl(field: Field): Record<string, string> {
  if (!field.isPresent) return {};
  const entries = Object.keys(field.object()).map((key) => [key.replaceAll('/', '.'), field.get(key).string()] as const);
  return Object.fromEntries(entries.filter(([key]) => /^[A-Za-z0-9_.-]+$/.test(key) && !key.includes('..')));
}

function pidsLimit(field: Field): number | null {
  const limit = field.optionalInteger(-(2 ** 63), 2 ** 63, -1);
  return limit <= 0 || limit > 0x7fffffff ? null : limit;
}

function checkAnnotations(field: Field): void {
  if (!field.isPresent) return;
  for (const key of Object.keys(field.object())) field.get(key).string();
}

// Mounts

const KINDS: Record<string, MountKind> = {
  proc: 'proc', sysfs: 'sysfs', tmpfs: 'tmpfs', devpts: 'devpts', mqueue: 'mqueue', memfs: 'memfs', devtmpfs: 'dev', cgroup: 'cgroup', cgroup2: 'cgroup', bind: 'bind', none: 'bind', '': 'bind',
};

function translateMount(mount: Field, bundle: string, trees: TreeConfig[]): MountConfig {
  mount.object();
  const destination = mount.get('destination').absolutePath();
  const type = mount.get('type').optionalString('');
  const options = decodeMountOptions(mount.get('options').strings());
  const source = mount.get('source').optionalString('none');
  const kind = options.isBind ? 'bind' : Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kind === undefined) return mount.get('type').fail(`unknown filesystem type "${shorten(type)}"`);
  if (options.isIdmapped || mount.get('uidMappings').isPresent || mount.get('gidMappings').isPresent) return mount.fail('id-mapped mounts are not supported');
  // A tmpfs on /dev means the device tree.
  if (kind === 'tmpfs' && destination === '/dev') return { kind: 'dev', destination, source: 'tmpfs', flags: options.flags, data: options.data, tree: -1 };
  if (kind !== 'bind') return { kind, destination, source, flags: options.flags, data: options.data, tree: -1, ...(options.copiesUp && kind === 'tmpfs' ? { copiesUp: true } : {}) };
  const host = cleanPath(isAbsolute(source) ? source : join(bundle, source));
  let real: string;
  try {
    real = realpathSync.native(host);
  } catch (error) {
    return mount.get('source').fail(`${shorten(host)}: ${systemReason(error)}`);
  }
  trees.push({ source: host, readonly: (options.flags & MS_RDONLY) !== 0, isExclusive: false, covered: [] });
  return { kind, destination, source: real, flags: options.flags, data: '', tree: trees.length - 1 };
}

// Process

export function translateProcess(field: Field, warnings: string[]): ProcessConfig {
  if (!field.isPresent) field.fail('is required');
  const args = field.get('args').strings();
  if (args.length === 0 || args[0] === '') field.get('args').fail('must not be empty');
  const user = field.get('user');
  const capabilities = field.get('capabilities');
  const unknown: string[] = [];
  const set = (name: string): readonly [number, number] => capabilityWords(capabilities.get(name).strings(), unknown);
  const env = field.get('env').items().map((item) => {
    const text = item.string();
    return text.indexOf('=') > 0 ? text : item.fail('must have the form NAME=VALUE');
  });
  const result: ProcessConfig = {
    args,
    env,
    cwd: field.get('cwd').absolutePath(),
    uid: user.get('uid').optionalInteger(0, MAX_ID, 0),
    gid: user.get('gid').optionalInteger(0, MAX_ID, 0),
    // Each once, as runc's lookup has them.
    groups: [...new Set(user.get('additionalGids').items().map((gid) => gid.integer(0, MAX_ID)))],
    umask: user.get('umask').optionalInteger(0, 0o777, 0o022),
    capabilities: { bounding: set('bounding'), effective: set('effective'), inheritable: set('inheritable'), permitted: set('permitted'), ambient: set('ambient') },
    rlimits: translateRlimits(field.get('rlimits')),
    noNewPrivileges: field.get('noNewPrivileges').optionalBoolean(false),
    terminal: field.get('terminal').optionalBoolean(false),
    oomScoreAdj: field.get('oomScoreAdj').optionalInteger(-1000, 1000, 0),
    createCwd: true,
    isProtectedInit: true,
  };
  if (unknown.length > 0) warnings.push(`process.capabilities: ignoring unknown ${shorten([...new Set(unknown)].join(', '))}`);
  if (field.get('selinuxLabel').optionalString('') !== '') field.get('selinuxLabel').fail('SELinux labels are not supported');
  if (field.get('apparmorProfile').optionalString('') !== '') warnings.push('process.apparmorProfile is not applied');
  return result;
}

function translateRlimits(field: Field): ProcessConfig['rlimits'] {
  const seen = new Set<number>();
  return field.items().map((item) => {
    const resource = RLIMITS.indexOf(item.get('type').string());
    if (resource < 0) item.get('type').fail(`unknown limit "${shorten(item.get('type').string())}"`);
    if (seen.has(resource)) item.get('type').fail(`duplicate limit "${shorten(item.get('type').string())}"`);
    seen.add(resource);
    const limit = (name: string): number | null => {
      // 2^64-1 loses its last digits in a double; anything from 2^63 on is "unlimited".
      const value = item.get(name).integer(0, 2 ** 64);
      return value >= 2 ** 63 ? null : value;
    };
    const [soft, hard] = [limit('soft'), limit('hard')];
    if (hard !== null && (soft === null || soft > hard)) item.get('soft').fail('is above the hard limit');
    return { resource, soft, hard };
  });
}

// linux

/** linux.timeOffsets, which need a time namespace. */
function timeOffsets(linux: Field): Pick<SandboxConfig, 'timeOffsets'> {
  const offsets = linux.get('timeOffsets');
  if (!offsets.isPresent) return {};
  for (const clock of Object.keys(offsets.object()))
    if (clock !== 'monotonic' && clock !== 'boottime') offsets.get(clock).fail('is no clock that a time namespace shifts');
  if (!linux.get('namespaces').items().some((item) => item.get('type').string() === 'time')) offsets.fail('needs a time namespace');
  const read = (clock: string): number =>
    offsets.get(clock).get('secs').optionalInteger(-4611686018, 4611686018, 0) * 1e9 + offsets.get(clock).get('nanosecs').optionalInteger(0, 999999999, 0);
  return { timeOffsets: { monotonicNs: read('monotonic'), boottimeNs: read('boottime') } };
}

const NAMESPACES = ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;

function checkLinux(linux: Field): void {
  if (!linux.isPresent) return;
  const seen = new Set<string>();
  for (const item of linux.get('namespaces').items()) {
    const type = item.get('type').oneOf(NAMESPACES);
    if (seen.has(type)) item.get('type').fail(`duplicate namespace "${type}"`);
    seen.add(type);
    if (item.get('path').isPresent && item.get('path').string() !== '') item.get('path').absolutePath();
  }
  for (const name of ['uidMappings', 'gidMappings']) {
    for (const item of linux.get(name).items()) {
      for (const id of ['containerID', 'hostID', 'size']) item.get(id).integer(0, 0xffffffff);
    }
  }
  for (const device of linux.get('devices').items()) {
    device.get('path').absolutePath();
    const type = device.get('type').oneOf(['c', 'b', 'u', 'p']);
    if (type !== 'p') for (const id of ['major', 'minor']) device.get(id).integer(0, 0xfffff);
  }
  const sysctl = linux.get('sysctl');
  if (sysctl.isPresent) for (const key of Object.keys(sysctl.object())) sysctl.get(key).string();
  const propagation = linux.get('rootfsPropagation').optionalString('');
  if (propagation !== '') linux.get('rootfsPropagation').oneOf(['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable']);
}
