// SPDX-License-Identifier: Apache-2.0

/**
 * HostFiles over ffi: calls on descriptors the Sentry already holds.
 */
import { EINTR } from '../abi/linux/errno.ts';
import { poll_one } from '../ffi/epoll.ts';
import * as files from '../ffi/files.ts';
import { memfd_create } from '../ffi/memory.ts';
import { allocateNative, cstring } from '../ffi/native.ts';
import { recvmsg, sendmsg } from '../ffi/sockets.ts';
import type { HostFiles, HostStat } from '../platform.ts';

const F_DUPFD_CLOEXEC = 1030;
const MFD_CLOEXEC = 1;
const O_CLOEXEC = 0x80000;
const O_NONBLOCK = 0x800;
const TWO_32 = 4294967296;

const statBuffer = allocateNative(144);

/** Reads a 64-bit field of statBuffer at byte offset `at`. */
function field(at: number): number {
  return (statBuffer.i32[at / 4 + 1] as number) * TWO_32 + (statBuffer.u32[at / 4] as number);
}

/** Decodes struct stat. */
function decodeStat(out: HostStat): void {
  const w = statBuffer.u32;
  out.dev = field(0);
  out.ino = field(8);
  out.nlink = field(16);
  out.mode = w[6] as number;
  out.uid = w[7] as number;
  out.gid = w[8] as number;
  out.rdev = field(40);
  out.size = field(48);
  out.blksize = field(56);
  out.blocks = field(64);
  out.atimeSec = field(72);
  out.atimeNsec = field(80);
  out.mtimeSec = field(88);
  out.mtimeNsec = field(96);
  out.ctimeSec = field(104);
  out.ctimeNsec = field(112);
}

/** The descriptor calls of HostServices. */
export function createHostFiles(): HostFiles {
  const memfds = new Set<number>();
  return {
    read: files.read,
    write: files.write,
    readNow: files.readNow,
    writeNow: files.writeNow,
    pread: files.pread,
    pwrite: files.pwrite,
    ftruncate: files.ftruncate,
    fallocate: files.fallocate,
    lseek: files.lseek,
    fsync: (fd, dataOnly) => (dataOnly ? files.fdatasync(fd) : files.fsync(fd)),
    fstat(fd, out) {
      const r = files.fstat(fd, statBuffer.addr);
      if (r === 0) decodeStat(out);
      return r;
    },
    fcntl: (fd, cmd, arg) => files.fcntl(fd, cmd, arg),
    ioctl: (fd, cmd, buf) => files.ioctl(fd, cmd, buf),
    poll(fd, events) {
      const r = poll_one(fd, events, 0);
      return r === EINTR ? 0 : r;
    },
    close(fd) {
      memfds.delete(fd);
      return files.close(fd);
    },
    dup: (fd) => files.fcntl(fd, F_DUPFD_CLOEXEC, 0),
    memfdCreate(name) {
      const fd = memfd_create(cstring(name), MFD_CLOEXEC);
      if (fd >= 0) memfds.add(fd);
      return fd;
    },
    memfdBytes() {
      let blocks = 0;
      for (const fd of memfds) if (files.fstat(fd, statBuffer.addr) === 0) blocks += field(64);
      return blocks * 512;
    },
    pipe: (out) => files.pipe2(out, O_CLOEXEC | O_NONBLOCK),
    recvmsg,
    sendmsg,
  };
}
