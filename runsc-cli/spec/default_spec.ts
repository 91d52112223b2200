// SPDX-License-Identifier: Apache-2.0

/**
 * The config.json that `runsc-ts spec` writes: runc's, so that what people and tests expect of it holds.
 */
export const OCI_VERSION = '1.2.0';

const DEFAULT_CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];

const MASKED = [
  '/proc/acpi', '/proc/asound', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/timer_stats', '/proc/sched_debug', '/sys/firmware', '/proc/scsi',
];
const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface SpecOptions {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly terminal: boolean;
  /** As runc does on a host with cgroup v2. */
  readonly hasCgroupNamespace: boolean;
  /** For a runtime without root: a user namespace that maps the caller to root, no network namespace, the host's /sys. */
  readonly rootless: { readonly uid: number; readonly gid: number } | null;
}

/** A config that runs `args` in ./rootfs. */
export function defaultSpec(options: SpecOptions): unknown {
  const { args, cwd, terminal, rootless } = options;
  const namespaces = ['pid', ...(rootless === null ? ['network'] : []), 'ipc', 'uts', 'mount', ...(options.hasCgroupNamespace ? ['cgroup'] : []), ...(rootless === null ? [] : ['user'])];
  const mapping = (hostID: number): unknown[] => [{ containerID: 0, hostID, size: 1 }];
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal,
      user: { uid: 0, gid: 0 },
      args,
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd,
      capabilities: { bounding: DEFAULT_CAPABILITIES, effective: DEFAULT_CAPABILITIES, permitted: DEFAULT_CAPABILITIES },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'runsc-ts',
    mounts: mounts(rootless !== null),
    linux: {
      ...(rootless === null ? {} : { uidMappings: mapping(rootless.uid), gidMappings: mapping(rootless.gid) }),
      ...(rootless === null ? { resources: { devices: [{ allow: false, access: 'rwm' }] } } : {}),
      namespaces: namespaces.map((type) => ({ type })),
      maskedPaths: MASKED,
      readonlyPaths: READONLY,
    },
  };
}

function mounts(isRootless: boolean): unknown[] {
  const plain = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...(isRootless ? [] : ['gid=5'])] },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...plain, 'mode=1777', 'size=65536k'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: plain },
    isRootless
      ? { destination: '/sys', type: 'none', source: '/sys', options: ['rbind', ...plain, 'ro'] }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...plain, 'ro'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...plain, 'relatime', 'ro'] },
  ];
}
