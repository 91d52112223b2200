// SPDX-License-Identifier: Apache-2.0

/**
 * sysfs: processors, memory node, loopback interface and the directories programs expect to find, over what HostInfo says.
 *
 * Linux: fs/sysfs/, drivers/base/{cpu,topology,cacheinfo,node}.c, net/core/net-sysfs.c
 */
import type { HostInfo } from '../../../platform/platform.ts';
import type { BlockDeviceView } from '../../kernel/block_devices.ts';
import { interfaceTexts } from '../../kernel/proc_texts.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { IoContext } from '../../vfs/context.ts';
import { Filesystem, type FilesystemType, type StatFs } from '../../vfs/filesystem.ts';
import type { Inode } from '../../vfs/inode.ts';
import { GeneratedFileInode, StaticDirInode, SymlinkInode } from '../../vfs/pseudo_file.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import { blockLinks, ChangingDirInode, virtualBlockDir } from './block_dirs.ts';
import { cpuList, cpuMap, parseTopology, type CpuPlace } from './cpu_topology.ts';

const SYSFS_MAGIC = 0x62656572;

export class SysFilesystem extends Filesystem {
  override readonly typeName = 'sysfs';
  override readonly root: StaticDirInode;
  readonly magic = SYSFS_MAGIC;
  override readonly needsRevalidate = true;

  constructor(kernel: Kernel) {
    super();
    this.source = 'sysfs';
    // Many entries, which few programs look at: made at the first look.
    this.root = new StaticDirInode(this, 0o555, (root) => fill(new Tree(this, root), kernel));
    this.root.ino = 1;
  }
  /** Only block devices and network interfaces come and go. */
  override revalidate(_ctx: IoContext, dentry: Dentry): boolean {
    const dir = dentry.parent?.inode;
    return !(dir instanceof ChangingDirInode) || dir.has(dentry.name) === (dentry.inode !== null);
  }
  override statfs(out: StatFs): number {
    out.type = SYSFS_MAGIC;
    out.bsize = 4096;
    out.namelen = 255;
    return 0;
  }
}

/** Makes entries by path. */
class Tree {
  readonly fs: Filesystem;
  private readonly root: StaticDirInode;

  constructor(fs: Filesystem, root: StaticDirInode) {
    this.fs = fs;
    this.root = root;
  }
  dir(path: string): StaticDirInode {
    let dir = this.root;
    for (const part of path.split('/')) {
      let next = dir.entries.get(part) as StaticDirInode | undefined;
      if (next === undefined) {
        next = new StaticDirInode(this.fs, 0o755);
        dir.add(part, next);
      }
      dir = next;
    }
    return dir;
  }
  file(path: string, text: string | number | (() => string), mode = 0o444): void {
    const inode = new GeneratedFileInode(this.fs, () => `${typeof text === 'function' ? text() : text}\n`, null, mode);
    inode.size = 4096;
    this.put(path, inode);
  }
  link(path: string, target: string): void {
    this.put(path, new SymlinkInode(this.fs, target));
  }
  rootEntry(name: string, inode: Inode): void {
    this.root.add(name, inode);
  }
  put(path: string, inode: Inode): void {
    const at = path.lastIndexOf('/');
    (at < 0 ? this.root : this.dir(path.slice(0, at))).add(path.slice(at + 1), inode);
  }
}

function fill(tree: Tree, kernel: Kernel): void {
  const { info } = kernel.host;
  for (const name of [
    'bus',
    'class',
    'dev/char',
    'firmware',
    'fs/cgroup',
    'kernel/debug',
    'kernel/security',
    'kernel/tracing',
    'module',
    'power',
  ])
    tree.dir(name);
  for (const name of ['drm', 'graphics', 'input', 'mem', 'misc', 'power_supply', 'thermal', 'tty'])
    tree.dir(`class/${name}`);
  for (const name of ['cpu', 'node', 'pci', 'platform', 'usb']) {
    tree.dir(`bus/${name}/devices`);
    tree.dir(`bus/${name}/drivers`);
  }
  fillCpus(tree, info);
  fillNode(tree, kernel);
  fillNetwork(tree);
  fillBlocks(tree);
  tree.file('kernel/mm/transparent_hugepage/enabled', 'always [madvise] never', 0o644);
  tree.file('kernel/mm/transparent_hugepage/defrag', 'always defer defer+madvise [madvise] never', 0o644);
  tree.file('kernel/mm/transparent_hugepage/shmem_enabled', 'always within_size advise [never] deny force', 0o644);
  tree.file('kernel/mm/transparent_hugepage/hpage_pmd_size', 2097152);
  tree.file('kernel/mm/transparent_hugepage/use_zero_page', 1, 0o644);
  tree.dir('kernel/mm/hugepages/hugepages-2048kB');
  for (const name of [
    'nr_hugepages',
    'free_hugepages',
    'resv_hugepages',
    'surplus_hugepages',
    'nr_overcommit_hugepages',
  ]) {
    tree.file(`kernel/mm/hugepages/hugepages-2048kB/${name}`, 0);
  }
  tree.file('kernel/mm/ksm/run', 0, 0o644);
  tree.file('kernel/uevent_seqnum', 0);
  tree.file('kernel/address_bits', 64);
  tree.file('kernel/cpu_byteorder', 'little');
  tree.file('kernel/fscaps', 1);
  tree.file('power/state', '');
}

function fillCpus(tree: Tree, info: HostInfo): void {
  const base = 'devices/system/cpu';
  const n = info.cpuCount;
  const all = cpuList(Array.from({ length: n }, (_, cpu) => cpu));
  tree.file(`${base}/online`, all);
  tree.file(`${base}/possible`, all);
  tree.file(`${base}/present`, all);
  tree.file(`${base}/offline`, '');
  tree.file(`${base}/isolated`, '');
  tree.file(`${base}/kernel_max`, 8191);
  tree.file(`${base}/smt/active`, 0);
  tree.file(`${base}/smt/control`, 'notsupported', 0o644);
  tree.dir(`${base}/cpufreq`);
  const places = parseTopology(info.cpuinfo, n);
  for (let cpu = 0; cpu < n; cpu++) {
    fillTopology(tree, `${base}/cpu${cpu}/topology`, places, cpu);
    fillCaches(tree, `${base}/cpu${cpu}/cache`, info, places, cpu);
    if (cpu > 0) tree.file(`${base}/cpu${cpu}/online`, 1, 0o644);
    tree.link(`bus/cpu/devices/cpu${cpu}`, `../../../devices/system/cpu/cpu${cpu}`);
  }
}

function fillTopology(tree: Tree, at: string, places: readonly CpuPlace[], cpu: number): void {
  const own = places[cpu] as CpuPlace;
  const n = places.length;
  const with_ = (test: (other: CpuPlace) => boolean): number[] =>
    places.flatMap((other, i) => (test(other) ? [i] : []));
  const inCore = with_((other) => other.packageId === own.packageId && other.coreId === own.coreId);
  const inPackage = with_((other) => other.packageId === own.packageId);
  tree.file(`${at}/physical_package_id`, own.packageId);
  tree.file(`${at}/core_id`, own.coreId);
  tree.file(`${at}/die_id`, 0);
  tree.file(`${at}/cluster_id`, 65535);
  for (const name of ['thread_siblings', 'core_cpus', 'cluster_cpus']) {
    tree.file(`${at}/${name}`, cpuMap(inCore, n));
    tree.file(`${at}/${name}_list`, cpuList(inCore));
  }
  for (const name of ['core_siblings', 'package_cpus', 'die_cpus']) {
    tree.file(`${at}/${name}`, cpuMap(inPackage, n));
    tree.file(`${at}/${name}_list`, cpuList(inPackage));
  }
}

function fillCaches(tree: Tree, at: string, info: HostInfo, places: readonly CpuPlace[], cpu: number): void {
  const own = places[cpu] as CpuPlace;
  (info.caches ?? []).forEach((cache, index) => {
    const isShared = Number(cache['level']) >= 3;
    const sharers = places.flatMap((other, i) =>
      other.packageId === own.packageId && (isShared || other.coreId === own.coreId) ? [i] : [],
    );
    for (const [name, value] of Object.entries(cache))
      if (name !== 'shared_cpu_list') tree.file(`${at}/index${index}/${name}`, value);
    tree.file(`${at}/index${index}/id`, isShared ? own.packageId : cpu);
    tree.file(`${at}/index${index}/physical_line_partition`, 1);
    tree.file(`${at}/index${index}/shared_cpu_list`, cpuList(sharers));
    tree.file(`${at}/index${index}/shared_cpu_map`, cpuMap(sharers, places.length));
  });
}

function fillNode(tree: Tree, kernel: Kernel): void {
  const base = 'devices/system/node';
  const { info } = kernel.host;
  const cpus = Array.from({ length: info.cpuCount }, (_, cpu) => cpu);
  for (const name of ['online', 'possible', 'has_cpu', 'has_memory', 'has_normal_memory'])
    tree.file(`${base}/${name}`, 0);
  tree.file(`${base}/node0/cpulist`, cpuList(cpus));
  tree.file(`${base}/node0/cpumap`, cpuMap(cpus, info.cpuCount));
  tree.file(`${base}/node0/distance`, 10);
  tree.file(`${base}/node0/meminfo`, () => nodeMeminfo(info));
  tree.file(
    `${base}/node0/numastat`,
    'numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\nother_node 0',
  );
  for (const cpu of cpus) tree.link(`${base}/node0/cpu${cpu}`, `../../cpu/cpu${cpu}`);
  tree.link('bus/node/devices/node0', '../../../devices/system/node/node0');
}

function nodeMeminfo(info: HostInfo): string {
  const total = Math.floor(info.memoryTotal / 1024);
  const free = Math.min(total, Math.floor(info.memoryAvailable() / 1024));
  const line = (name: string, kb: number): string => `Node 0 ${`${name}:`.padEnd(15)} ${String(kb).padStart(8)} kB`;
  return [line('MemTotal', total), line('MemFree', free), line('MemUsed', total - free)].join('\n');
}

const LO_FILES: readonly (readonly [string, string])[] = [
  ['addr_assign_type', '0'],
  ['addr_len', '6'],
  ['address', '00:00:00:00:00:00'],
  ['broadcast', '00:00:00:00:00:00'],
  ['carrier', '1'],
  ['carrier_changes', '0'],
  ['dev_id', '0x0'],
  ['dev_port', '0'],
  ['dormant', '0'],
  ['flags', '0x9'],
  ['ifalias', ''],
  ['ifindex', '1'],
  ['iflink', '1'],
  ['link_mode', '0'],
  ['mtu', '65536'],
  ['netdev_group', '0'],
  ['operstate', 'unknown'],
  ['proto_down', '0'],
  ['tx_queue_len', '1000'],
  ['type', '772'],
  ['uevent', 'INTERFACE=lo\nIFINDEX=1'],
];

const LO_STATISTICS = [
  'collisions',
  'multicast',
  'rx_bytes',
  'rx_compressed',
  'rx_crc_errors',
  'rx_dropped',
  'rx_errors',
  'rx_fifo_errors',
  'rx_frame_errors',
  'rx_length_errors',
  'rx_missed_errors',
  'rx_nohandler',
  'rx_over_errors',
  'rx_packets',
  'tx_aborted_errors',
  'tx_bytes',
  'tx_carrier_errors',
  'tx_compressed',
  'tx_dropped',
  'tx_errors',
  'tx_fifo_errors',
  'tx_heartbeat_errors',
  'tx_packets',
  'tx_window_errors',
];

function loopback(fs: Filesystem): Inode {
  const root = new StaticDirInode(fs, 0o755);
  const tree = new Tree(fs, root);
  for (const [name, value] of LO_FILES) tree.file(name, value);
  for (const name of LO_STATISTICS) tree.file(`statistics/${name}`, 0);
  fillQueues(tree);
  return root;
}

function fillQueues(tree: Tree): void {
  tree.dir('queues/rx-0');
  tree.dir('queues/tx-0');
  tree.link('subsystem', '../../../../class/net');
}

/** An interface of the host namespace that the sandbox uses. */
function interfaceDir(fs: Filesystem, interface_: string): Inode {
  const root = new StaticDirInode(fs, 0o755);
  const tree = new Tree(fs, root);
  const files = (): readonly (readonly [string, string])[] => interfaceTexts.list().find(([name]) => name === interface_)?.[1] ?? [];
  for (const [name] of files()) tree.file(name, () => files().find(([itsName]) => itsName === name)?.[1] ?? '');
  fillQueues(tree);
  return root;
}

/** The interfaces are known only when the container is started, which is after the first look. */
function fillNetwork(tree: Tree): void {
  const { fs } = tree;
  const lo = loopback(fs);
  const names = (): string[] => ['lo', ...interfaceTexts.list().map(([name]) => name).filter((name) => name !== 'lo' && name !== '')];
  tree.put('devices/virtual/net', new ChangingDirInode(fs, names, (name) => (name === 'lo' ? lo : interfaceDir(fs, name))));
  tree.put('class/net', new ChangingDirInode(fs, names, (name) => new SymlinkInode(fs, `../../devices/virtual/net/${name}`)));
}

function fillBlocks(tree: Tree): void {
  const { fs } = tree;
  tree.put('devices/virtual/block', virtualBlockDir(fs));
  const links = (up: string, nameOf: (device: BlockDeviceView) => string): Inode =>
    blockLinks(fs, nameOf, (device) => new SymlinkInode(fs, `${up}devices/virtual/block/${device.name}`));
  tree.rootEntry('block', links('../', (device) => device.name));
  tree.put('class/block', links('../../', (device) => device.name));
  tree.put('dev/block', links('../../', (device) => `${device.major}:${device.minor}`));
}

export function sysType(kernel: Kernel): FilesystemType {
  return { name: 'sysfs', isUserMountable: true, owner: () => null, isNodev: true, mount: () => new SysFilesystem(kernel) };
}
