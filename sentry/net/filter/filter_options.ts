// SPDX-License-Identifier: Apache-2.0

/**
 * SO_ATTACH_FILTER and its siblings: which program a socket's incoming packets pass. Programs of the extended kind (eBPF) do not exist
 * here: there is no bpf(2) that could have made one.
 *
 * Linux: net/core/filter.c (sk_attach_filter, sk_detach_filter, sk_get_filter), net/core/sock.c (sk_setsockopt); socket(7)
 */
import { EBADF, EFAULT, EINVAL, ENOENT, EPERM } from '../../../platform/abi/linux/errno.ts';
import {
  SO_ATTACH_BPF,
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_DETACH_FILTER,
  SO_DETACH_REUSEPORT_BPF,
  SO_LOCK_FILTER,
  SO_REUSEPORT,
} from '../../../platform/abi/linux/socket.ts';
import { BPF_MAXINSNS, type BpfProgram } from '../../kernel/seccomp/bpf.ts';
import type { Task } from '../../kernel/task.ts';
import type { Socket, SocketOptions } from '../socket.ts';
import { parseSocketFilter } from './filter_program.ts';

/** sizeof(struct sock_fprog): a count, padding, the address of the instructions. */
const FPROG_SIZE = 16;
const INSN_SIZE = 8;

/** A program and the bytes it was given as, for SO_GET_FILTER. */
export interface SocketFilter {
  readonly program: BpfProgram;
  readonly source: Uint8Array;
}

/** Reads a struct sock_fprog and the program it points at. Errors: EINVAL, EFAULT. */
function readProgram(t: Task, value: Buffer): SocketFilter | number {
  if (value.length !== FPROG_SIZE) return EINVAL;
  const count = value.readUInt16LE(0);
  const addr = value.readUInt32LE(12) * 4294967296 + value.readUInt32LE(8);
  if (addr === 0 || count === 0 || count > BPF_MAXINSNS) return EINVAL;
  const source = new Uint8Array(count * INSN_SIZE);
  if (t.memory.copyIn(addr, source, 0, source.length) !== source.length) return EFAULT;
  const program = parseSocketFilter(source);
  return program === null ? EINVAL : { program, source };
}

function isLocked(options: SocketOptions): boolean {
  return (options.flags.get(SO_LOCK_FILTER) ?? 0) !== 0;
}

/** Sets one of these options. Returns 0, errno, or undefined: it is none of them. Errors: EINVAL, EFAULT, EPERM (locked), ENOENT (none), EBADF. */
export function setFilterOption(t: Task, socket: Socket, name: number, value: Buffer): number | undefined {
  const { options } = socket;
  switch (name) {
    case SO_ATTACH_FILTER: {
      if (value.length !== FPROG_SIZE) return EINVAL;
      if (isLocked(options)) return EPERM;
      const filter = readProgram(t, value);
      if (typeof filter === 'number') return filter;
      options.filter = filter;
      socket.filterChanged();
      return 0;
    }
    case SO_DETACH_FILTER:
      if (isLocked(options)) return EPERM;
      if (options.filter === null) return ENOENT;
      options.filter = null;
      socket.filterChanged();
      return 0;
    case SO_ATTACH_BPF:
    case SO_ATTACH_REUSEPORT_EBPF:
      if (value.length !== 4) return EINVAL;
      if (isLocked(options)) return EPERM;
      return t.fdTable.get(value.readInt32LE(0)) === null ? EBADF : EINVAL;
    case SO_ATTACH_REUSEPORT_CBPF: {
      if (value.length !== FPROG_SIZE) return EINVAL;
      if (isLocked(options)) return EPERM;
      const filter = readProgram(t, value);
      if (typeof filter === 'number') return filter;
      return socket.setReuseportFilter(filter);
    }
    case SO_DETACH_REUSEPORT_BPF:
      if (socket.hasReuseportFilter) return socket.setReuseportFilter(null);
      return (options.flags.get(SO_REUSEPORT) ?? 0) !== 0 ? ENOENT : EINVAL;
    default:
      return undefined;
  }
}

/**
 * SO_GET_FILTER, whose lengths count instructions. Returns the length to report or errno. Errors: EINVAL (no room), EFAULT.
 */
export function getFilter(t: Task, socket: Socket, valueAddr: number, length: number): number {
  const { filter } = socket.options;
  if (filter === null) return 0;
  const count = filter.source.length / INSN_SIZE;
  if (length === 0) return count;
  if (length < count) return EINVAL;
  return t.memory.copyOut(valueAddr, filter.source, 0, filter.source.length) === filter.source.length ? count : EFAULT;
}
