// SPDX-License-Identifier: Apache-2.0

/**
 * Why system calls without a row of their own are not implemented, and what they return.
 */
import { EACCES, ENOSYS, EOPNOTSUPP, EPERM, type Errno } from '../../platform/abi/linux/errno.ts';

const NO_MODULES = 'A sandbox has no kernel modules.';
const REMOVED = 'Not implemented by Linux itself.';
const NO_IO_URING = 'io_uring is not supported; programs fall back to other calls.';
const NO_BPF = 'BPF is not available in a sandbox.';
const NO_NUMA = 'A sandbox has one memory node.';
const NO_LANDLOCK = 'Landlock is not supported; as on a kernel built without it.';
const NO_HANDLES = 'File handles are not supported.';
const PENDING = 'Not implemented yet.';

export const MISSING: Readonly<Record<string, readonly [Errno, string]>> = {
  uselib: [ENOSYS, REMOVED],
  _sysctl: [ENOSYS, REMOVED],
  create_module: [ENOSYS, REMOVED],
  get_kernel_syms: [ENOSYS, REMOVED],
  query_module: [ENOSYS, REMOVED],
  nfsservctl: [ENOSYS, REMOVED],
  getpmsg: [ENOSYS, REMOVED],
  putpmsg: [ENOSYS, REMOVED],
  afs_syscall: [ENOSYS, REMOVED],
  tuxcall: [ENOSYS, REMOVED],
  security: [ENOSYS, REMOVED],
  vserver: [ENOSYS, REMOVED],
  epoll_ctl_old: [ENOSYS, REMOVED],
  epoll_wait_old: [ENOSYS, REMOVED],
  set_thread_area: [ENOSYS, 'For 32-bit programs only.'],
  get_thread_area: [ENOSYS, 'For 32-bit programs only.'],
  modify_ldt: [ENOSYS, 'Local descriptor tables are not supported.'],
  init_module: [ENOSYS, NO_MODULES],
  delete_module: [ENOSYS, NO_MODULES],
  finit_module: [ENOSYS, NO_MODULES],
  kexec_load: [EPERM, 'A sandbox cannot boot another kernel.'],
  kexec_file_load: [EPERM, 'A sandbox cannot boot another kernel.'],
  reboot: [EPERM, 'A sandbox is stopped from outside.'],
  swapon: [EPERM, 'No swap in a sandbox.'],
  swapoff: [EPERM, 'No swap in a sandbox.'],
  acct: [EPERM, 'Process accounting is not supported.'],
  quotactl: [EPERM, 'Disk quotas are not supported.'],
  quotactl_fd: [EPERM, 'Disk quotas are not supported.'],
  iopl: [ENOSYS, 'No I/O ports in a sandbox.'],
  ioperm: [ENOSYS, 'No I/O ports in a sandbox.'],
  settimeofday: [EPERM, "The clocks are the host's."],
  adjtimex: [EPERM, "The clocks are the host's."],
  clock_adjtime: [EPERM, "The clocks are the host's."],
  io_uring_setup: [ENOSYS, NO_IO_URING],
  io_uring_enter: [ENOSYS, NO_IO_URING],
  io_uring_register: [ENOSYS, NO_IO_URING],
  bpf: [EPERM, NO_BPF],
  perf_event_open: [EACCES, 'Performance counters are not available in a sandbox.'],
  userfaultfd: [EPERM, 'Page faults are handled by the host.'],
  lookup_dcookie: [EPERM, REMOVED],
  migrate_pages: [ENOSYS, NO_NUMA],
  move_pages: [ENOSYS, NO_NUMA],
  mbind: [ENOSYS, NO_NUMA],
  set_mempolicy: [ENOSYS, NO_NUMA],
  get_mempolicy: [ENOSYS, NO_NUMA],
  set_mempolicy_home_node: [ENOSYS, NO_NUMA],
  landlock_create_ruleset: [EOPNOTSUPP, NO_LANDLOCK],
  landlock_add_rule: [EOPNOTSUPP, NO_LANDLOCK],
  landlock_restrict_self: [EOPNOTSUPP, NO_LANDLOCK],
  name_to_handle_at: [EOPNOTSUPP, NO_HANDLES],
  open_by_handle_at: [EOPNOTSUPP, NO_HANDLES],
  process_vm_readv: [EPERM, PENDING],
  process_vm_writev: [EPERM, PENDING],
  process_madvise: [ENOSYS, PENDING],
  process_mrelease: [ENOSYS, PENDING],
  pkey_mprotect: [ENOSYS, 'Memory protection keys are not supported; as on a processor without them.'],
  pkey_alloc: [ENOSYS, 'Memory protection keys are not supported; as on a processor without them.'],
  pkey_free: [ENOSYS, 'Memory protection keys are not supported; as on a processor without them.'],
  memfd_secret: [ENOSYS, 'Secret memory is not supported; as on a kernel built without it.'],
  map_shadow_stack: [ENOSYS, 'Shadow stacks are not supported.'],
  remap_file_pages: [ENOSYS, 'Deprecated by Linux.'],
};

/** What a call without a row returns, and why. */
export function missingReason(name: string): readonly [Errno, string] {
  return MISSING[name] ?? [ENOSYS, PENDING];
}
