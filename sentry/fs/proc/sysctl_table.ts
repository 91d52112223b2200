// SPDX-License-Identifier: Apache-2.0

/**
 * The sysctls: those that are kernel state read and write it; the rest are settings that are kept and shown, as far as
 * programs look at them.
 *
 * Linux: kernel/sysctl.c, fs/file_table.c, fs/pipe.c, ipc/ipc_sysctl.c, net/core/sysctl_net_core.c
 */
import { EINVAL, EPERM, type Errno } from '../../../platform/abi/linux/errno.ts';
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, CAP_SYS_PTRACE } from '../../../platform/abi/linux/capability.ts';
import { descriptorLimits } from '../../kernel/fd_table.ts';
import { aioLimits } from '../../kernel/aio/aio.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { pipeLimits } from '../../kernel/pipe/pipe.ts';
import { yama } from '../../kernel/process/ptrace_access.ts';
import type { PidNamespace } from '../../kernel/process/pid_namespace.ts';
import type { Task } from '../../kernel/task.ts';
import { UTS_RELEASE, UTS_SYSNAME, UTS_VERSION } from '../../kernel/version.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { ByteString } from '../../vfs/inode.ts';
import { keyLimits } from '../../kernel/keys/key_table.ts';
import { leaseLimits } from '../../vfs/leases.ts';
import { mapLimits } from '../../mm/memory_manager.ts';
import { ipcSysctls } from './ipc_sysctls.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';

export interface Sysctl {
  /** Below /proc/sys. */
  readonly path: string;
  /** Default: 0644 with write, 0444 without. */
  readonly mode?: number;
  /** The value without its newline. */
  readonly read: (ctx: IoContext) => ByteString | Errno;
  /** Takes the text written, trimmed. Returns 0 or errno. */
  readonly write?: (text: ByteString, ctx: IoContext) => number;
}

const INT_MAX = 2147483647;

/** A setting that is only kept: an integer in [min, max]. */
function kept(path: string, initial: number, min = 0, max = INT_MAX): Sysctl {
  let value = initial;
  return {
    path,
    read: () => String(value),
    write: (text) => {
      const wanted = integer(text, min, max);
      if (wanted === null) return EINVAL;
      value = wanted;
      return 0;
    },
  };
}

/** A setting that every network namespace has for itself. */
function keptPerNet(path: string, initial: number, min = 0, max = INT_MAX): Sysctl {
  const values = new WeakMap<object, number>();
  return {
    path,
    read: (ctx) => String(values.get((ctx as Task).netNs) ?? initial),
    write: (text, ctx) => {
      const wanted = integer(text, min, max);
      if (wanted === null) return EINVAL;
      values.set((ctx as Task).netNs, wanted);
      return 0;
    },
  };
}

/** A setting that is a field of kernel state. */
function field<O extends object>(path: string, owner: O, key: keyof O & string, min = 0, max = INT_MAX): Sysctl {
  const record = owner as Record<string, number>;
  return {
    path,
    read: () => String(record[key]),
    write: (text) => {
      const wanted = integer(text, min, max);
      if (wanted === null) return EINVAL;
      record[key] = wanted;
      return 0;
    },
  };
}

/** What real-time tasks may have of a processor: the share is at most the period, and a slice that is none means the usual one. */
function realtimeSettings(): Sysctl[] {
  const usualSlice = 100;
  const kept = { slice: usualSlice, period: 1000000, share: 950000 };
  const setting = (path: string, key: keyof typeof kept, min: number, isAllowed: (value: number) => boolean): Sysctl => ({
    path: `kernel/${path}`,
    read: () => String(kept[key]),
    write: (text) => {
      const wanted = integer(text, min, INT_MAX);
      if (wanted === null || !isAllowed(wanted)) return EINVAL;
      kept[key] = key === 'slice' && wanted <= 0 ? usualSlice : wanted;
      return 0;
    },
  });
  return [
    setting('sched_rr_timeslice_ms', 'slice', -INT_MAX, () => true),
    setting('sched_rt_period_us', 'period', 1, (value) => value >= kept.share),
    setting('sched_rt_runtime_us', 'share', -1, (value) => value <= kept.period),
  ];
}

/** Kept text of at most `max` bytes. */
function keptText(path: string, initial: string, max = 127): Sysctl {
  let value = initial;
  return {
    path,
    read: () => value,
    write: (text) => {
      value = text.slice(0, max);
      return 0;
    },
  };
}

/** Two numbers, the first not above the second unless the range is empty on purpose. */
function range(path: string, values: number[], min: number, max: number, allowsEmpty: boolean): Sysctl {
  return {
    path,
    read: () => values.join('\t'),
    write: (text) => {
      const wanted = text
        .trim()
        .split(/\s+/)
        .map((word) => integer(word, min, max));
      const [low, high] = wanted;
      if (wanted.length !== 2 || low === null || high === null || low === undefined || high === undefined) return EINVAL;
      if (low > high && !allowsEmpty) return EINVAL;
      values.splice(0, 2, ...(low > high ? [1, 0] : [low, high]));
      return 0;
    },
  };
}

const fixed = (path: string, value: string | number, mode = 0o444): Sysctl => ({
  path,
  mode,
  read: () => String(value),
});
/** Looks writable, as on Linux, but belongs to the host. */
const held = (path: string, value: string | number): Sysctl => ({
  path,
  read: () => String(value),
  write: () => EPERM,
});

function integer(text: string, min: number, max: number): number | null {
  if (!/^[+-]?\d{1,15}$/.test(text)) return null;
  const value = Number(text);
  return value < min || value > max ? null : value;
}

/** A name of the reader's UTS namespace. */
function utsName(path: string, key: 'hostname' | 'domainname'): Sysctl {
  return {
    path,
    read: (ctx) => (ctx as Task).uts[key],
    write: (text, ctx) => {
      if (!ctx.creds.hasCap(CAP_SYS_ADMIN)) return EPERM;
      (ctx as Task).uts[key] = text.split('\n', 1)[0]?.slice(0, 64) ?? '';
      return 0;
    },
  };
}

/** A version 4 UUID from the host's random bytes. */
function uuid(kernel: Kernel): string {
  const bytes = Buffer.alloc(16);
  kernel.host.random(bytes);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function kernelTable(kernel: Kernel, pidNs: PidNamespace): Sysctl[] {
  const bootId = uuid(kernel);
  const maxThreads = kernel.maxTasks;
  return [
    fixed('kernel/arch', 'x86_64'),
    fixed('kernel/cap_last_cap', 40),
    keptText('kernel/core_pattern', 'core'),
    kept('kernel/core_pipe_limit', 0),
    kept('kernel/core_uses_pid', 0, 0, 1),
    kept('kernel/dmesg_restrict', 1, 0, 1),
    utsName('kernel/domainname', 'domainname'),
    utsName('kernel/hostname', 'hostname'),
    kept('kernel/io_uring_disabled', 2, 0, 2),
    kept('kernel/keys/maxbytes', 20000),
    kept('kernel/keys/maxkeys', 200),
    kept('kernel/keys/root_maxbytes', 25000000),
    kept('kernel/keys/root_maxkeys', 1000000),
    kept('kernel/kptr_restrict', 1, 0, 2),
    fixed('kernel/ngroups_max', 65536),
    {
      path: 'kernel/ns_last_pid',
      mode: 0o666,
      read: () => String(pidNs.lastPid),
      write: (text, ctx) => {
        const capable = (cap: number): boolean =>
          pidNs.userNs === null ? ctx.creds.hasCap(cap) : ctx.creds.hasCapIn(pidNs.userNs, cap);
        if (!capable(CAP_CHECKPOINT_RESTORE) && !capable(CAP_SYS_ADMIN)) return EPERM;
        const wanted = integer(text, 0, pidNs.pidMax);
        if (wanted === null) return EINVAL;
        pidNs.lastPid = wanted;
        return 0;
      },
    },
    kept('kernel/numa_balancing', 0),
    fixed('kernel/osrelease', UTS_RELEASE),
    fixed('kernel/ostype', UTS_SYSNAME),
    fixed('kernel/overflowgid', 65534),
    fixed('kernel/overflowuid', 65534),
    kept('kernel/panic', 0),
    kept('kernel/panic_on_oops', 0),
    held('kernel/perf_event_max_sample_rate', 100000),
    held('kernel/perf_event_paranoid', 2),
    field('kernel/pid_max', pidNs, 'pidMax', 301, 4194304),
    kept('kernel/print-fatal-signals', 0),
    keptText('kernel/printk', '4\t4\t1\t7'),
    held('kernel/pty/max', 4096),
    { path: 'kernel/pty/nr', read: () => String(sysctlHooks.ptyCount()) },
    held('kernel/pty/reserve', 1024),
    fixed('kernel/random/boot_id', bootId),
    fixed('kernel/random/entropy_avail', 256),
    fixed('kernel/random/poolsize', 256),
    kept('kernel/random/urandom_min_reseed_secs', 60),
    { path: 'kernel/random/uuid', read: () => uuid(kernel) },
    kept('kernel/random/write_wakeup_threshold', 256),
    held('kernel/randomize_va_space', 2),
    kept('kernel/sched_autogroup_enabled', 0),
    kept('kernel/sched_child_runs_first', 0),
    kept('kernel/sched_cfs_bandwidth_slice_us', 5000),
    ...realtimeSettings(),
    fixed('kernel/seccomp/actions_avail', 'kill_process kill_thread trap errno trace log allow'),
    keptText('kernel/seccomp/actions_logged', 'kill_process kill_thread trap errno trace log'),
    kept('kernel/sysctl_writes_strict', 1, -1, 1),
    held('kernel/tainted', 0),
    held('kernel/threads-max', maxThreads),
    held('kernel/unprivileged_bpf_disabled', 2),
    fixed('kernel/version', UTS_VERSION),
    kept('kernel/yama/ptrace_scope', 1, 0, 3),
  ];
}

function fsTable(kernel: Kernel): Sysctl[] {
  return [
    {
      path: 'kernel/yama/ptrace_scope',
      read: () => String(yama.scope),
      write: (text, ctx) => {
        const wanted = integer(text, 0, 3);
        if (wanted === null) return EINVAL;
        if (!ctx.creds.hasCap(CAP_SYS_PTRACE)) return EPERM;
        // Once nobody may, nobody may say otherwise.
        if (yama.scope === 3 && wanted !== 3) return EINVAL;
        yama.scope = wanted;
        return 0;
      },
    },
    field('fs/aio-max-nr', aioLimits, 'max'),
    { path: 'fs/aio-nr', read: () => String(aioLimits.used) },
    { path: 'fs/dentry-state', read: () => '0\t0\t45\t0\t0\t0' },
    field('fs/epoll/max_user_watches', sysctlHooks.epoll, 'maxUserWatches'),
    kept('fs/file-max', 1048576),
    { path: 'fs/file-nr', read: () => `${openFiles(kernel)}\t0\t1048576` },
    kept('fs/dir-notify-enable', 1, 0, 1),
    fixed('fs/inode-nr', '0\t0'),
    fixed('fs/inode-state', '0\t0\t0\t0\t0\t0\t0'),
    field('fs/fanotify/max_queued_events', sysctlHooks.fanotify, 'maxQueuedEvents'),
    field('fs/fanotify/max_user_groups', sysctlHooks.fanotify, 'maxUserGroups'),
    field('fs/fanotify/max_user_marks', sysctlHooks.fanotify, 'maxUserMarks', 0, 1048576),
    field('fs/inotify/max_queued_events', sysctlHooks.inotify, 'maxQueuedEvents'),
    field('fs/inotify/max_user_instances', sysctlHooks.inotify, 'maxUserInstances'),
    field('fs/inotify/max_user_watches', sysctlHooks.inotify, 'maxUserWatches', 0, 1048576),
    field('fs/lease-break-time', leaseLimits, 'breakTime'),
    field('fs/leases-enable', leaseLimits, 'enable', 0, 1),
    kept('fs/mount-max', 4096, 1),
    field('fs/nr_open', descriptorLimits, 'nrOpen', 64, 0x7fffffc0),
    fixed('fs/overflowgid', 65534, 0o644),
    fixed('fs/overflowuid', 65534, 0o644),
    field('fs/pipe-max-size', pipeLimits, 'maxSize', 4096, 1 << 24),
    field('fs/pipe-user-pages-hard', pipeLimits, 'userPagesHard'),
    field('fs/pipe-user-pages-soft', pipeLimits, 'userPagesSoft'),
    kept('fs/protected_fifos', 1, 0, 2),
    held('fs/protected_hardlinks', 1),
    kept('fs/protected_regular', 1, 0, 2),
    held('fs/protected_symlinks', 1),
    kept('fs/suid_dumpable', 0, 0, 2),
  ];
}

/** Open files of all processes: what file-nr counts. */
function openFiles(kernel: Kernel): number {
  const tables = new Set<object>();
  let n = 0;
  for (const task of kernel.tasks.values()) {
    if (!task.isLive || tables.has(task.fdTable)) continue;
    tables.add(task.fdTable);
    n += task.fdTable.openCount;
  }
  return n;
}

function vmTable(kernel: Kernel): Sysctl[] {
  return [
    kept('vm/admin_reserve_kbytes', 8192),
    kept('vm/dirty_background_bytes', 0),
    kept('vm/dirty_background_ratio', 10, 0, 100),
    kept('vm/dirty_bytes', 0),
    kept('vm/dirty_expire_centisecs', 3000),
    kept('vm/dirty_ratio', 20, 0, 100),
    kept('vm/dirty_writeback_centisecs', 500),
    { path: 'vm/drop_caches', mode: 0o200, read: () => '0', write: (text) => (integer(text, 1, 4) === null ? EINVAL : 0) },
    kept('vm/laptop_mode', 0),
    kept('vm/legacy_va_layout', 0),
    field('kernel/keys/maxkeys', keyLimits, 'maxkeys'),
    field('kernel/keys/maxbytes', keyLimits, 'maxbytes'),
    field('kernel/keys/root_maxkeys', keyLimits, 'root_maxkeys'),
    field('kernel/keys/root_maxbytes', keyLimits, 'root_maxbytes'),
    kept('kernel/keys/gc_delay', 300),
    kept('kernel/keys/persistent_keyring_expiry', 259200),
    field('vm/max_map_count', mapLimits, 'maxMapCount'),
    kept('vm/memfd_noexec', 0, 0, 2),
    kept('vm/min_free_kbytes', Math.floor(Math.sqrt((kernel.host.info.memoryTotal / 1024) * 16))),
    fixed('vm/mmap_min_addr', 65536, 0o644),
    held('vm/nr_hugepages', 0),
    held('vm/nr_overcommit_hugepages', 0),
    kept('vm/oom_kill_allocating_task', 0),
    ...['user', 'pid', 'uts', 'ipc', 'mnt', 'net', 'cgroup', 'time'].map((name) => kept(`user/max_${name}_namespaces`, 15000)),
    held('vm/overcommit_kbytes', 0),
    held('vm/overcommit_memory', 0),
    held('vm/overcommit_ratio', 50),
    kept('vm/page-cluster', 3),
    kept('vm/panic_on_oom', 0, 0, 2),
    kept('vm/stat_interval', 1),
    kept('vm/swappiness', 60, 0, 200),
    held('vm/unprivileged_userfaultfd', 0),
    kept('vm/user_reserve_kbytes', 131072),
    kept('vm/vfs_cache_pressure', 100),
    kept('vm/zone_reclaim_mode', 0),
  ];
}

function netTable(): Sysctl[] {
  return [
    fixed('net/core/netdev_max_backlog', 1000, 0o644),
    kept('net/core/optmem_max', 131072),
    kept('net/core/rmem_default', 212992),
    kept('net/core/rmem_max', 212992),
    field('net/core/somaxconn', sysctlHooks.net, 'somaxconn', 0),
    kept('net/core/wmem_default', 212992),
    kept('net/core/wmem_max', 212992),
    keptText('net/core/default_qdisc', 'pfifo_fast'),
    kept('net/ipv4/ip_default_ttl', 64, 1, 255),
    field('net/ipv4/ip_forward', sysctlHooks.net, 'forwarding', 0, 1),
    range('net/ipv4/ip_local_port_range', sysctlHooks.net.localPorts, 1, 65535, false),
    keptText('net/ipv4/ip_local_reserved_ports', ''),
    kept('net/ipv4/ip_nonlocal_bind', 0, 0, 1),
    field('net/ipv4/ip_unprivileged_port_start', sysctlHooks.net, 'unprivilegedPortStart', 0, 65535),
    range('net/ipv4/ping_group_range', sysctlHooks.net.pingGroups, 0, INT_MAX, true),
    fixed('net/ipv4/tcp_available_congestion_control', 'reno cubic'),
    fixed('net/ipv4/tcp_allowed_congestion_control', 'reno cubic', 0o644),
    fixed('net/ipv4/tcp_congestion_control', 'cubic', 0o644),
    kept('net/ipv4/tcp_fin_timeout', 60),
    kept('net/ipv4/tcp_keepalive_intvl', 75),
    kept('net/ipv4/tcp_keepalive_probes', 9),
    kept('net/ipv4/tcp_keepalive_time', 7200),
    kept('net/ipv4/tcp_max_syn_backlog', 2048),
    keptText('net/ipv4/tcp_mem', '190917\t254557\t381834'),
    kept('net/ipv4/tcp_moderate_rcvbuf', 1, 0, 1),
    keptText('net/ipv4/tcp_rmem', '4096\t131072\t6291456'),
    kept('net/ipv4/tcp_sack', 1, 0, 1),
    kept('net/ipv4/tcp_syn_retries', 6, 1, 127),
    kept('net/ipv4/tcp_syncookies', 1, 0, 2),
    kept('net/ipv4/tcp_timestamps', 1, 0, 2),
    kept('net/ipv4/tcp_tw_reuse', 2, 0, 2),
    kept('net/ipv4/tcp_window_scaling', 1, 0, 1),
    keptText('net/ipv4/tcp_wmem', '4096\t16384\t4194304'),
    kept('net/ipv6/bindv6only', 0, 0, 1),
    kept('net/ipv6/conf/all/disable_ipv6', 0, 0, 1),
    kept('net/ipv6/conf/default/disable_ipv6', 0, 0, 1),
    kept('net/ipv6/conf/lo/disable_ipv6', 0, 0, 1),
    field('net/ipv4/conf/all/forwarding', sysctlHooks.net, 'forwarding', 0, 1),
    kept('net/ipv4/conf/default/forwarding', 0, 0, 1),
    kept('net/ipv4/conf/lo/forwarding', 0, 0, 1),
    ...['all', 'default', 'lo'].map((name) => keptPerNet(`net/ipv4/conf/${name}/tag`, 0, -INT_MAX - 1)),
    field('net/unix/max_dgram_qlen', sysctlHooks.net, 'maxDgramQlen', 0),
  ];
}

function userTable(): Sysctl[] {
  const names = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'];
  return names.map((name) => kept(`user/max_${name}_namespaces`, name === 'user' || name === 'net' ? 0 : 4096));
}

export function sysctlTable(kernel: Kernel, pidNs: PidNamespace): Sysctl[] {
  return [...kernelTable(kernel, pidNs), ...fsTable(kernel), ...vmTable(kernel), ...netTable(), ...userTable(), ...ipcSysctls()];
}
