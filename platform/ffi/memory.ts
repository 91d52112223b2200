// SPDX-License-Identifier: Apache-2.0

/**
 * Our own address space, and copies between it and another process.
 *
 * Linux: mm/mmap.c, mm/process_vm_access.c
 */
import { EFAULT } from '../abi/linux/errno.ts';
import { defineCode, defineSyscall, rawSyscall } from './native.ts';

const SYS_MMAP = 9;
const SYS_MPROTECT = 10;
const SYS_MUNMAP = 11;
const SYS_MADVISE = 28;
const SYS_MEMFD_CREATE = 319;
const SYS_PROCESS_VM_READV = 310;
const SYS_PROCESS_VM_WRITEV = 311;

/** mmap(2). Returns the address or a negative errno. */
export function mmap(addr: number, length: number, prot: number, flags: number, fd: number, offset: number): number {
  return rawSyscall(SYS_MMAP, addr, length, prot, flags, fd, offset);
}

export function munmap(addr: number, length: number): number {
  return rawSyscall(SYS_MUNMAP, addr, length);
}

export function mprotect(addr: number, length: number, prot: number): number {
  return rawSyscall(SYS_MPROTECT, addr, length, prot);
}

export function madvise(addr: number, length: number, advice: number): number {
  return rawSyscall(SYS_MADVISE, addr, length, advice);
}

/** memfd_create(2); `name` must hold its NUL (see cstring()). */
export function memfd_create(name: Uint8Array, flags: number): number {
  return rawSyscall(SYS_MEMFD_CREATE, name, flags);
}

type VmCopy = (pid: number, local: Uint8Array, offset: number, length: number, remote: number) => number;

/**
 * process_vm_readv/writev with one iovec on each side, built on the stack by the generated code:
 * sub rsp,40; add rsi,rdx; mov [rsp],rsi; mov [rsp+8],rcx; mov [rsp+16],r8; mov [rsp+24],rcx; mov rsi,rsp; mov edx,1;
 * lea r10,[rsp+16]; mov r8d,1; xor r9d,r9d; mov eax,nr; syscall; add rsp,40; ret
 */
function vmCopyCode(nr: number): number[] {
  return [
    0x48,
    0x83,
    0xec,
    0x28,
    0x48,
    0x01,
    0xd6,
    0x48,
    0x89,
    0x34,
    0x24,
    0x48,
    0x89,
    0x4c,
    0x24,
    0x08,
    0x4c,
    0x89,
    0x44,
    0x24,
    0x10,
    0x48,
    0x89,
    0x4c,
    0x24,
    0x18,
    0x48,
    0x89,
    0xe6,
    0xba,
    1,
    0,
    0,
    0,
    0x4c,
    0x8d,
    0x54,
    0x24,
    0x10,
    0x41,
    0xb8,
    1,
    0,
    0,
    0,
    0x45,
    0x31,
    0xc9,
    0xb8,
    nr & 255,
    nr >> 8,
    0,
    0,
    0x0f,
    0x05,
    0x48,
    0x83,
    0xc4,
    0x28,
    0xc3,
  ];
}

let vmRead: VmCopy | null = null;
let vmWrite: VmCopy | null = null;

/** Copies `length` bytes at `remote` in process `pid` to local[offset..]. Returns bytes copied (may be short) or a negative errno. */
export function process_vm_read(
  pid: number,
  local: Uint8Array,
  offset: number,
  length: number,
  remote: number,
): number {
  if (vmRead === null) vmRead = defineCode<VmCopy>(vmCopyCode(SYS_PROCESS_VM_READV), 'ipiii');
  if (offset < 0 || length < 0 || offset + length > local.length) return EFAULT;
  return vmRead(pid, local, offset, length, remote);
}

/** Copies local[offset..offset+length] to `remote` in process `pid`. Returns bytes copied (may be short) or a negative errno. */
export function process_vm_write(
  pid: number,
  local: Uint8Array,
  offset: number,
  length: number,
  remote: number,
): number {
  if (vmWrite === null) vmWrite = defineCode<VmCopy>(vmCopyCode(SYS_PROCESS_VM_WRITEV), 'ipiii');
  if (offset < 0 || length < 0 || offset + length > local.length) return EFAULT;
  return vmWrite(pid, local, offset, length, remote);
}

type VmAddress = (pid: number, local: number, length: number, remote: number) => number;
let vmReadAt: VmAddress | null = null;
let vmWriteAt: VmAddress | null = null;

// mov r8,rcx; mov rcx,rdx; xor edx,edx — then as above: the local side is an address
const ADDRESS_PROLOGUE = [0x49, 0x89, 0xc8, 0x48, 0x89, 0xd1, 0x31, 0xd2];

/** As process_vm_read, to an address of our own (see allocateNative): the cheapest form. The caller answers for the bounds. */
export function process_vm_read_at(pid: number, local: number, length: number, remote: number): number {
  if (vmReadAt === null)
    vmReadAt = defineCode<VmAddress>([...ADDRESS_PROLOGUE, ...vmCopyCode(SYS_PROCESS_VM_READV)], 'iiii');
  return vmReadAt(pid, local, length, remote);
}

/** As process_vm_write, from an address of our own. */
export function process_vm_write_at(pid: number, local: number, length: number, remote: number): number {
  if (vmWriteAt === null)
    vmWriteAt = defineCode<VmAddress>([...ADDRESS_PROLOGUE, ...vmCopyCode(SYS_PROCESS_VM_WRITEV)], 'iiii');
  return vmWriteAt(pid, local, length, remote);
}

type Getrandom = (buf: Uint8Array, length: number, flags: number) => number;
let getrandomFn: Getrandom | null = null;

/** getrandom(2): fills at most buf.length bytes. */
export function getrandom(buf: Uint8Array, flags: number): number {
  if (getrandomFn === null) getrandomFn = defineSyscall<Getrandom>(318, 'pii');
  return getrandomFn(buf, buf.length, flags);
}
