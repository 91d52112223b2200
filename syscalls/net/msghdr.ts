// SPDX-License-Identifier: Apache-2.0

/**
 * struct msghdr and control messages, in both directions.
 *
 * Linux:      net/socket.c (copy_msghdr_from_user), net/core/scm.c (__scm_send, scm_detach_fds, put_cmsg)
 * Invariants: parsed files carry a reference each, which the caller drops when the message is sent or given up.
 */
import {
  EBADF,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  EPERM,
  ESRCH,
  ETOOMANYREFS,
  type Errno,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from '../../platform/abi/linux/capability.ts';
import {
  AF_NETLINK,
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  SCM_CREDENTIALS,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SOCKADDR_MAX,
  SOL_SOCKET,
} from '../../platform/abi/linux/socket.ts';
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { ControlMessage, IncomingMessage, OutgoingMessage, PeerCred } from '../../sentry/net/socket.ts';
import { inFlightTotal } from '../../sentry/net/unix/in_flight.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { IoSequence } from '../../sentry/vfs/io.ts';
import { vectorIo } from '../file/iovec.ts';
import { readAddress } from './socket_args.ts';

/** sizeof(struct msghdr). */
export const MSGHDR_SIZE = 56;
const CMSGHDR_SIZE = 16;
/** (uid_t)-1 */
const INVALID_ID = 0xffffffff;
const SCM_PIDFD = 4;
const UIO_MAXIOV = 1024;
/** net.core.optmem_max: longest control buffer taken. */
const OPTMEM_MAX = 131072;
const scratch = new Uint8Array(MSGHDR_SIZE);
const view = new DataView(scratch.buffer);

export interface UserMessage {
  /** Address of the struct. */
  addr: number;
  nameAddr: number;
  nameLength: number;
  /** What is sent to; null: nowhere, or to be received. */
  name: Uint8Array | null;
  controlAddr: number;
  controlLength: number;
  io: IoSequence;
}

function u64(at: number): number {
  return view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}

/** Reads a struct msghdr. Errors: EFAULT, EINVAL (negative name length), EMSGSIZE (too many iovecs). */
export function readMsghdr(t: Task, addr: number, isSend: boolean): UserMessage | Errno {
  if (t.memory.copyIn(addr, scratch, 0, MSGHDR_SIZE) !== MSGHDR_SIZE) return EFAULT;
  const nameAddr = u64(0);
  const nameLength = nameAddr === 0 ? 0 : view.getInt32(8, true);
  const iovAddr = u64(16);
  const iovCount = u64(24);
  const controlAddr = u64(32);
  const controlLength = u64(40);
  if (nameLength < 0) return EINVAL;
  const nameBytes = nameAddr === 0 ? 0 : Math.min(nameLength, SOCKADDR_MAX);
  const name = isSend && nameBytes > 0 ? readAddress(t, nameAddr, nameBytes) : null;
  if (isErrno(name)) return name;
  if (iovCount > UIO_MAXIOV) return EMSGSIZE;
  const io = vectorIo(t, iovAddr, iovCount);
  if (isErrno(io)) return io;
  return {
    addr,
    nameAddr,
    nameLength: nameBytes,
    name,
    controlAddr,
    controlLength,
    io,
  };
}

/** Drops the references of a message's files. */
export function dropFiles(files: readonly FileDescription[] | null): void {
  for (const file of files ?? []) file.decRef();
}

/** Parses the control buffer of a sendmsg of `family` into `message`; descriptors and credentials mean something to Unix sockets only. Returns 0 or errno (then no reference is held). */
export function readControl(t: Task, family: number, user: UserMessage, message: OutgoingMessage): number {
  if (user.controlLength === 0) return 0;
  if (user.controlLength > OPTMEM_MAX) return ENOBUFS;
  const bytes = Buffer.alloc(user.controlLength);
  if (t.memory.copyIn(user.controlAddr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  const files: FileDescription[] = [];
  const control: ControlMessage[] = [];
  const takesRights = family === AF_UNIX || family === AF_NETLINK;
  let err = 0;
  for (let at = 0; err === 0 && at + CMSGHDR_SIZE <= bytes.length; ) {
    const length = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 4294967296;
    if (length < CMSGHDR_SIZE || length > bytes.length - at) err = EINVAL;
    else {
      const level = bytes.readInt32LE(at + 8);
      const type = bytes.readInt32LE(at + 12);
      const data = bytes.subarray(at + CMSGHDR_SIZE, at + length);
      const isIgnored = !takesRights && (type === SCM_RIGHTS || type === SCM_CREDENTIALS);
      if (level !== SOL_SOCKET) control.push({ level, type, data });
      else if (isIgnored) err = 0;
      else if (type === SCM_RIGHTS) err = readRights(t, data, files);
      else if (type === SCM_CREDENTIALS) err = readCredentials(t, data, message);
      else err = EINVAL;
      at += Math.ceil(length / 8) * 8;
    }
  }
  if (err !== 0) {
    dropFiles(files);
    return err;
  }
  message.files = files.length > 0 ? files : null;
  message.control = control.length > 0 ? control : null;
  return 0;
}

function readRights(t: Task, data: Buffer, files: FileDescription[]): number {
  const count = data.length >> 2;
  if (files.length + count > SCM_MAX_FD) return EINVAL;
  const mayExceed = t.creds.hasCap(CAP_SYS_RESOURCE) || t.creds.hasCap(CAP_SYS_ADMIN);
  if (!mayExceed && inFlightTotal.files > t.threadGroup.rlimits.soft(RLIMIT_NOFILE)) return ETOOMANYREFS;
  for (let i = 0; i < count; i++) {
    const file = t.fdTable.get(data.readInt32LE(i * 4));
    if (file === null) return EBADF;
    file.incRef();
    files.push(file);
  }
  return 0;
}

function readCredentials(t: Task, data: Buffer, message: OutgoingMessage): number {
  if (data.length !== 12) return EINVAL;
  const pid = data.readInt32LE(0);
  const { creds } = t;
  const uid = creds.userNs.uidOf(data.readUInt32LE(4));
  const gid = creds.userNs.gidOf(data.readUInt32LE(8));
  if (uid === -1 || gid === -1 || uid === INVALID_ID || gid === INVALID_ID) return EINVAL;
  const uidOk = uid === creds.ruid || uid === creds.euid || uid === creds.suid || creds.hasOwnCap(CAP_SETUID);
  const gidOk = gid === creds.rgid || gid === creds.egid || gid === creds.sgid || creds.hasOwnCap(CAP_SETGID);
  const own = t.threadGroup.pidIn(t.pidNs);
  if (!uidOk || !gidOk || (pid !== own && !creds.hasCap(CAP_SYS_ADMIN))) return EPERM;
  const target = t.pidNs.tasks.get(pid);
  if (target === undefined) return ESRCH;
  message.creds = { pid: target.threadGroup.pid, uid, gid };
  return 0;
}

/** A pid of the initial namespace as `t` sees it; 0 when it cannot. */
export function pidSeenBy(t: Task, pid: number): number {
  if (t.pidNs.parent === null) return pid;
  return t.kernel.pidNs.tasks.get(pid)?.threadGroup.pidIn(t.pidNs) ?? 0;
}

/** Bytes of a struct ucred. */
export function encodeCred(t: Task, cred: PeerCred): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeInt32LE(pidSeenBy(t, cred.pid), 0);
  bytes.writeUInt32LE(cred.uid === 0xffffffff ? cred.uid : t.creds.userNs.showUid(cred.uid), 4);
  bytes.writeUInt32LE(cred.gid === 0xffffffff ? cred.gid : t.creds.userNs.showGid(cred.gid), 8);
  return bytes;
}

/** Writes control messages one after the other into the application's buffer. */
class ControlWriter {
  private readonly t: Task;
  private readonly start: number;
  private at: number;
  private left: number;
  truncated = false;
  fault = false;

  constructor(t: Task, user: UserMessage) {
    this.t = t;
    this.start = user.controlAddr;
    this.at = user.controlAddr;
    this.left = user.controlAddr === 0 ? 0 : user.controlLength;
  }
  get written(): number {
    return this.at - this.start;
  }
  /** Is there room for one more number? When not, that is noted. */
  get hasRoom(): boolean {
    if (this.left >= CMSGHDR_SIZE + 4) return true;
    this.truncated = true;
    return false;
  }
  /** Descriptors that fit. */
  get roomForFds(): number {
    return this.left < CMSGHDR_SIZE ? 0 : Math.floor((this.left - CMSGHDR_SIZE) / 4);
  }
  put(level: number, type: number, data: Uint8Array): void {
    if (this.left < CMSGHDR_SIZE) {
      this.truncated = true;
      return;
    }
    const full = CMSGHDR_SIZE + data.length;
    const length = Math.min(full, this.left);
    if (length < full) this.truncated = true;
    const bytes = Buffer.alloc(full);
    bytes.writeUInt32LE(length, 0);
    bytes.writeInt32LE(level, 8);
    bytes.writeInt32LE(type, 12);
    bytes.set(data, CMSGHDR_SIZE);
    if (this.t.memory.copyOut(this.at, bytes, 0, length) !== length) {
      this.fault = true;
      return;
    }
    const space = Math.min(Math.ceil(full / 8) * 8, this.left);
    this.at += space;
    this.left -= space;
  }
}

/** Installs received files and writes their numbers; those that find no room are closed and MSG_CTRUNC is set. */
function deliverFiles(t: Task, writer: ControlWriter, files: readonly FileDescription[], cloexec: boolean): void {
  const room = Math.min(writer.roomForFds, files.length);
  const limit = t.threadGroup.rlimits.soft(RLIMIT_NOFILE);
  const numbers: number[] = [];
  for (const file of files) {
    const fd = numbers.length < room ? t.fdTable.install(file, cloexec, limit) : -1;
    if (fd >= 0) numbers.push(fd);
    else {
      file.decRef();
      writer.truncated = true;
    }
  }
  if (numbers.length === 0) return;
  writer.put(SOL_SOCKET, SCM_RIGHTS, new Uint8Array(Int32Array.from(numbers).buffer));
}

/** A descriptor of the sender's process, or why there is none. */
function pidfdFor(t: Task, pid: number): Uint8Array {
  const group = t.kernel.tasks.get(pid)?.threadGroup;
  return new Uint8Array(Int32Array.of(group === undefined ? ESRCH : t.kernel.installPidfd(t, group)).buffer);
}

/** Writes everything of a received message but the data back: name, control, flags. Returns 0 or EFAULT. */
export function writeReceived(t: Task, user: UserMessage, message: IncomingMessage, flags: number): number {
  const writer = new ControlWriter(t, user);
  if (message.creds !== null) writer.put(SOL_SOCKET, SCM_CREDENTIALS, encodeCred(t, message.creds));
  for (const { level, type, data } of message.control ?? []) writer.put(level, type, data);
  if (message.files !== null) deliverFiles(t, writer, message.files, (flags & MSG_CMSG_CLOEXEC) !== 0);
  if (message.pidfdOf !== null && writer.hasRoom) writer.put(SOL_SOCKET, SCM_PIDFD, pidfdFor(t, message.pidfdOf));
  if (writer.fault) return EFAULT;
  if (user.nameAddr !== 0) {
    const address = message.address ?? new Uint8Array(0);
    const n = Math.min(user.nameLength, address.length);
    if (n > 0 && t.memory.copyOut(user.nameAddr, address, 0, n) !== n) return EFAULT;
    if (t.memory.writeU32(user.addr + 8, address.length) !== 0) return EFAULT;
  }
  const outFlags = message.outFlags | (writer.truncated ? MSG_CTRUNC : 0) | (flags & MSG_CMSG_CLOEXEC);
  if (t.memory.writeU32(user.addr + 48, outFlags >>> 0) !== 0) return EFAULT;
  return t.memory.writeU64(user.addr + 40, writer.written);
}
