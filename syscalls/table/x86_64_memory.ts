// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of memory calls.
 */
import { ENOSYS } from '../../platform/abi/linux/errno.ts';
import * as M from '../../platform/abi/linux/mman.ts';
import { Addr, Choice, Fd, Flags, FlagSet, Int, LongFlags, Pid, Size, UInt } from '../args/kinds.ts';
import {
  sys_madvise,
  sys_mincore,
  sys_mlock,
  sys_mlock2,
  sys_mlockall,
  sys_msync,
  sys_munlock,
  sys_munlockall,
} from '../memory/advice.ts';
import {
  sys_get_mempolicy,
  sys_mbind,
  sys_migrate_pages,
  sys_move_pages,
  sys_set_mempolicy,
  sys_set_mempolicy_home_node,
} from '../memory/mempolicy.ts';
import {
  sys_brk,
  sys_mmap,
  sys_mprotect,
  sys_mremap,
  sys_mseal,
  sys_munmap,
  sys_pkey_alloc,
  sys_pkey_free,
  sys_pkey_mprotect,
  sys_remap_file_pages,
} from '../memory/mmap.ts';
import { sys_process_madvise, sys_process_mrelease } from '../memory/process_madvise.ts';
import { sys_userfaultfd } from '../memory/userfaultfd.ts';
import { sys_process_vm_readv, sys_process_vm_writev } from '../memory/process_vm.ts';
import { missing, row, type SyscallRow } from './row.ts';

const Prot = FlagSet(
  'Prot',
  'u64',
  [
    ['PROT_READ', M.PROT_READ],
    ['PROT_WRITE', M.PROT_WRITE],
    ['PROT_EXEC', M.PROT_EXEC],
    ['PROT_SEM', M.PROT_SEM],
    ['PROT_GROWSDOWN', M.PROT_GROWSDOWN],
    ['PROT_GROWSUP', M.PROT_GROWSUP],
  ],
  'PROT_NONE',
);
const MapFlags = FlagSet('MapFlags', 'u64', [
  ['MAP_SHARED_VALIDATE', M.MAP_SHARED_VALIDATE],
  ['MAP_SHARED', M.MAP_SHARED],
  ['MAP_PRIVATE', M.MAP_PRIVATE],
  ['MAP_FIXED', M.MAP_FIXED],
  ['MAP_ANONYMOUS', M.MAP_ANONYMOUS],
  ['MAP_32BIT', M.MAP_32BIT],
  ['MAP_GROWSDOWN', M.MAP_GROWSDOWN],
  ['MAP_DENYWRITE', M.MAP_DENYWRITE],
  ['MAP_EXECUTABLE', M.MAP_EXECUTABLE],
  ['MAP_LOCKED', M.MAP_LOCKED],
  ['MAP_NORESERVE', M.MAP_NORESERVE],
  ['MAP_POPULATE', M.MAP_POPULATE],
  ['MAP_NONBLOCK', M.MAP_NONBLOCK],
  ['MAP_STACK', M.MAP_STACK],
  ['MAP_HUGETLB', M.MAP_HUGETLB],
  ['MAP_SYNC', M.MAP_SYNC],
  ['MAP_FIXED_NOREPLACE', M.MAP_FIXED_NOREPLACE],
]);
const RemapFlags = FlagSet('RemapFlags', 'u64', [
  ['MREMAP_MAYMOVE', M.MREMAP_MAYMOVE],
  ['MREMAP_FIXED', M.MREMAP_FIXED],
  ['MREMAP_DONTUNMAP', M.MREMAP_DONTUNMAP],
]);
const Advice = Choice('Advice', 'i32', [
  ['MADV_NORMAL', 0],
  ['MADV_RANDOM', 1],
  ['MADV_SEQUENTIAL', 2],
  ['MADV_WILLNEED', 3],
  ['MADV_DONTNEED', 4],
  ['MADV_FREE', 8],
  ['MADV_REMOVE', 9],
  ['MADV_DONTFORK', 10],
  ['MADV_DOFORK', 11],
  ['MADV_MERGEABLE', 12],
  ['MADV_UNMERGEABLE', 13],
  ['MADV_HUGEPAGE', 14],
  ['MADV_NOHUGEPAGE', 15],
  ['MADV_DONTDUMP', 16],
  ['MADV_DODUMP', 17],
  ['MADV_WIPEONFORK', 18],
  ['MADV_KEEPONFORK', 19],
  ['MADV_COLD', 20],
  ['MADV_PAGEOUT', 21],
  ['MADV_POPULATE_READ', 22],
  ['MADV_POPULATE_WRITE', 23],
  ['MADV_COLLAPSE', 25],
]);
const SyncFlags = FlagSet('SyncFlags', 'i32', [
  ['MS_ASYNC', 1],
  ['MS_INVALIDATE', 2],
  ['MS_SYNC', 4],
]);
const LockFlags = FlagSet('LockFlags', 'i32', [
  ['MCL_CURRENT', 1],
  ['MCL_FUTURE', 2],
  ['MCL_ONFAULT', 4],
]);

const NOT_LOCKED = { partial: 'Accounting and errors only: host memory is not pinned.' };
const ONE_NODE = { partial: 'The sandbox has one memory node.' };

export const memoryRows: readonly SyscallRow[] = [
  row(9, 'mmap', [Addr, Size, Prot, MapFlags, Fd, LongFlags], sys_mmap, {
    partial: 'No huge pages (MAP_HUGETLB): ENOMEM.',
  }),
  row(10, 'mprotect', [Addr, Size, Prot], sys_mprotect),
  row(11, 'munmap', [Addr, Size], sys_munmap),
  row(12, 'brk', [Addr], sys_brk),
  row(25, 'mremap', [Addr, Size, Size, RemapFlags, Addr], sys_mremap),
  row(26, 'msync', [Addr, Size, SyncFlags], sys_msync),
  row(27, 'mincore', [Addr, Size, Addr], sys_mincore),
  row(28, 'madvise', [Addr, Size, Advice], sys_madvise),
  row(149, 'mlock', [Addr, Size], sys_mlock, NOT_LOCKED),
  row(150, 'munlock', [Addr, Size], sys_munlock, NOT_LOCKED),
  row(151, 'mlockall', [LockFlags], sys_mlockall, NOT_LOCKED),
  row(152, 'munlockall', [], sys_munlockall, NOT_LOCKED),
  row(216, 'remap_file_pages', [Addr, Size, Prot, Size, LongFlags], sys_remap_file_pages, {
    partial: 'Only for mappings of files.',
  }),
  row(237, 'mbind', [Addr, Size, LongFlags, Addr, Size, Flags], sys_mbind, ONE_NODE),
  row(238, 'set_mempolicy', [Int, Addr, Size], sys_set_mempolicy, ONE_NODE),
  row(239, 'get_mempolicy', [Addr, Addr, Size, Addr, LongFlags], sys_get_mempolicy, ONE_NODE),
  row(256, 'migrate_pages', [Pid, Size, Addr, Addr], sys_migrate_pages, ONE_NODE),
  row(279, 'move_pages', [Pid, Size, Addr, Addr, Addr, Int], sys_move_pages, ONE_NODE),
  row(310, 'process_vm_readv', [Pid, Addr, Size, Addr, Size, LongFlags], sys_process_vm_readv),
  row(311, 'process_vm_writev', [Pid, Addr, Size, Addr, Size, LongFlags], sys_process_vm_writev),
  row(323, 'userfaultfd', [Flags], sys_userfaultfd, {
    partial: 'System calls see EFAULT where a page is missing, as with UFFD_USER_MODE_ONLY; no events of the map, no UFFDIO_MOVE.',
  }),
  row(325, 'mlock2', [Addr, Size, Flags], sys_mlock2, NOT_LOCKED),
  row(329, 'pkey_mprotect', [Addr, Size, Prot, Int], sys_pkey_mprotect, {
    partial: 'No protection keys, as on a processor without them.',
  }),
  row(330, 'pkey_alloc', [LongFlags, LongFlags], sys_pkey_alloc, {
    partial: 'ENOSPC, as on a processor without protection keys.',
  }),
  row(331, 'pkey_free', [Int], sys_pkey_free, { partial: 'EINVAL: no key is ever allocated.' }),
  row(440, 'process_madvise', [Fd, Addr, Size, Advice, UInt], sys_process_madvise),
  missing(447, 'memfd_secret', ENOSYS, 'As with secretmem disabled.'),
  row(448, 'process_mrelease', [Fd, UInt], sys_process_mrelease),
  row(450, 'set_mempolicy_home_node', [Addr, Size, LongFlags, LongFlags], sys_set_mempolicy_home_node, ONE_NODE),
  missing(453, 'map_shadow_stack', ENOSYS, 'No shadow stacks.'),
  row(462, 'mseal', [Addr, Size, LongFlags], sys_mseal),
];
