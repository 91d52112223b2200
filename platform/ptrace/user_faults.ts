// SPDX-License-Identifier: Apache-2.0

/**
 * userfaultfd(2) of the host over a stub's memory. The stub opens it, on the descriptor table it shares with the Sentry; everything else the
 * Sentry does.
 *
 * Linux:      fs/userfaultfd.c
 * Invariants: opened with UFFD_USER_MODE_ONLY: only application code ever waits for a page; the Sentry's own access to a missing page
 *             fails. No events of the map (fork, munmap...): the host would let a stub wait for them in the middle of a command. The
 *             stub's pages are never registered. What is copied in comes from a buffer of ours, never from an address the application named.
 */
import { EAGAIN, EFAULT, EINVAL, ENOENT } from '../abi/linux/errno.ts';
import * as uffd from '../abi/linux/userfaultfd.ts';
import { close, ioctl, read } from '../ffi/files.ts';
import { allocateNative } from '../ffi/native.ts';
import type { NativeMemory } from '../ffi/native.ts';
import type { UserFaults, UserMemory } from '../platform.ts';
import { PAGE_SIZE } from './layout.ts';

const CHUNK = 64 * PAGE_SIZE;
const COPY_SIZE = 40;
const MAX_WRITE_PROTECTED = 64;

/** Shared by all: calls are synchronous. */
let bounce: NativeMemory | null = null;

interface Range {
  start: number;
  end: number;
}

export class PtraceUserFaults implements UserFaults {
  readonly fd: number;
  /** One past what an application can map. */
  private readonly limit: number;
  private readonly argument = new Uint8Array(COPY_SIZE);
  private readonly fields = new DataView(this.argument.buffer);
  /** Ranges that were registered for write protection; null: too many to tell. */
  private writeProtected: Range[] | null = [];

  private readonly onClose: (self: PtraceUserFaults) => void;

  constructor(fd: number, limit: number, onClose: (self: PtraceUserFaults) => void) {
    this.fd = fd;
    this.onClose = onClose;
    this.limit = limit;
  }

  read(buffer: Uint8Array, length: number): number {
    return read(this.fd, buffer, 0, length);
  }

  close(): void {
    close(this.fd);
    this.onClose(this);
  }

  /** May code of ours that runs in the stub write to `addr` without waiting for the application? */
  isWritable(addr: number): boolean {
    return this.writeProtected !== null && !this.writeProtected.some(({ start, end }) => addr + 4 > start && addr < end);
  }

  control(request: number, argument: Uint8Array): number {
    if (request === uffd.UFFDIO_API) return ioctl(this.fd, request, argument);
    const view = new DataView(argument.buffer, argument.byteOffset, argument.byteLength);
    const start = word(view, 0);
    const end = start + word(view, 8);
    if (end > this.limit) return request === uffd.UFFDIO_REGISTER || request === uffd.UFFDIO_UNREGISTER ? EINVAL : ENOENT;
    const result = ioctl(this.fd, request, argument);
    if (result >= 0 && request === uffd.UFFDIO_REGISTER && (word(view, 16) & uffd.UFFDIO_REGISTER_MODE_WP) !== 0) {
      if ((this.writeProtected?.length ?? 0) >= MAX_WRITE_PROTECTED) this.writeProtected = null;
      this.writeProtected?.push({ start, end });
    }
    return result;
  }

  copy(to: number, length: number, mode: number, from: number, memory: UserMemory): { result: number; copied: number } {
    if (to + length > this.limit) return { result: ENOENT, copied: ENOENT };
    bounce ??= allocateNative(CHUNK);
    for (let done = 0; ; ) {
      const piece = Math.min(length - done, CHUNK);
      // A length the host will refuse must not make it read past the buffer.
      if (piece > 0 && piece % PAGE_SIZE === 0 && memory.copyIn(from + done, bounce.bytes, 0, piece) !== piece)
        return done > 0 ? { result: EAGAIN, copied: done } : { result: EFAULT, copied: EFAULT };
      const copied = this.copyPiece(to + done, piece % PAGE_SIZE === 0 ? piece : 1, mode);
      if (copied < 0) return done > 0 ? { result: EAGAIN, copied: done } : { result: copied, copied };
      done += copied;
      if (done === length) return { result: 0, copied: done };
      if (copied < piece) return { result: EAGAIN, copied: done };
    }
  }

  /** UFFDIO_COPY from the buffer. Returns bytes copied or errno. */
  private copyPiece(to: number, length: number, mode: number): number {
    put(this.fields, 0, to);
    put(this.fields, 8, (bounce as NativeMemory).addr);
    put(this.fields, 16, length);
    put(this.fields, 24, mode);
    put(this.fields, 32, 0);
    const result = ioctl(this.fd, uffd.UFFDIO_COPY, this.argument);
    if (result >= 0) return length;
    const copied = word(this.fields, 32);
    return result === EAGAIN && copied > 0 && copied < length ? copied : result;
  }
}

function word(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 4294967296;
}

function put(view: DataView, at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  view.setUint32(at, value - hi * 4294967296, true);
  view.setUint32(at + 4, hi, true);
}
