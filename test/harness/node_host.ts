// SPDX-License-Identifier: Apache-2.0

/**
 * HostFiles and HostClock over platform/ffi and Node, for tests of filesystems without a platform.
 */
import * as fs from 'node:fs';
import type { HostClock, HostFiles, HostStat } from '../../platform/platform.ts';
import * as ffi from '../../platform/ffi/files.ts';
import { memfd_create } from '../../platform/ffi/memory.ts';
import { cstring, rawSyscall } from '../../platform/ffi/native.ts';

const statBuf = Buffer.alloc(144);

function u64(at: number): number {
  return statBuf.readUInt32LE(at) + statBuf.readUInt32LE(at + 4) * 0x100000000;
}

function fillStat(out: HostStat): void {
  out.dev = u64(0);
  out.ino = u64(8);
  out.nlink = u64(16);
  out.mode = statBuf.readUInt32LE(24);
  out.uid = statBuf.readUInt32LE(28);
  out.gid = statBuf.readUInt32LE(32);
  out.rdev = u64(40);
  out.size = u64(48);
  out.blksize = u64(56);
  out.blocks = u64(64);
  out.atimeSec = u64(72);
  out.atimeNsec = u64(80);
  out.mtimeSec = u64(88);
  out.mtimeNsec = u64(96);
  out.ctimeSec = u64(104);
  out.ctimeNsec = u64(112);
}

const unsupported = (): number => -38;

/** Regular-file calls of HostFiles; messages and polling are not here. */
export const nodeHostFiles: HostFiles = {
  read: (fd, buf, offset, length) => ffi.read(fd, buf, offset, length),
  write: (fd, buf, offset, length) => ffi.write(fd, buf, offset, length),
  readNow: (fd, buf, offset, length) => ffi.readNow(fd, buf, offset, length),
  writeNow: (fd, buf, offset, length) => ffi.writeNow(fd, buf, offset, length),
  pread: (fd, buf, offset, length, position) => ffi.pread(fd, buf, offset, length, position),
  pwrite: (fd, buf, offset, length, position) => ffi.pwrite(fd, buf, offset, length, position),
  ftruncate: (fd, length) => ffi.ftruncate(fd, length),
  fallocate: (fd, mode, offset, length) => ffi.fallocate(fd, mode, offset, length),
  lseek: (fd, offset, whence) => ffi.lseek(fd, offset, whence),
  fsync: (fd, dataOnly) => (dataOnly ? ffi.fdatasync(fd) : ffi.fsync(fd)),
  fstat: (fd, out) => {
    const r = ffi.fstat(fd, statBuf);
    if (r >= 0) fillStat(out);
    return r;
  },
  fcntl: (fd, cmd, arg) => ffi.fcntl(fd, cmd, arg),
  ioctl: (fd, cmd, buf) => ffi.ioctl(fd, cmd, buf),
  poll: (fd, events) => {
    const pollfd = Buffer.alloc(8);
    pollfd.writeInt32LE(fd, 0);
    pollfd.writeInt16LE(events, 4);
    const r = rawSyscall(7, pollfd, 1, 0);
    return r < 0 ? r : pollfd.readUInt16LE(6);
  },
  close: (fd) => ffi.close(fd),
  dup: (fd) => ffi.fcntl(fd, 1030, 0),
  memfdCreate: (name) => memfd_create(cstring(name), 1),
  memfdBytes: () => 0,
  pipe: unsupported,
  recvmsg: unsupported,
  sendmsg: unsupported,
} as HostFiles;

export const nodeHostClock: HostClock = {
  monotonicNs: () => Number(process.hrtime.bigint()),
  boottimeNs: () => Number(process.hrtime.bigint()),
  realtime: (out) => {
    const ms = Date.now();
    out[0] = Math.floor(ms / 1000);
    out[1] = (ms % 1000) * 1e6;
  },
  processCpuNs: () => process.cpuUsage().user * 1000,
} as HostClock;

/** Number of open descriptors of this process, for leak checks. */
export function openFdCount(): number {
  return fs.readdirSync('/proc/self/fd').length;
}
