// SPDX-License-Identifier: Apache-2.0

/**
 * A memfd filled with bytes: how configuration reaches a process that is started, not forked.
 */
import { close, write } from './lifecycle.ts';
import { lseek } from './files.ts';
import { memfd_create } from './memory.ts';
import { cstring } from './native.ts';

const MFD_CLOEXEC = 1;

/** Returns a descriptor at offset 0, or errno. */
export function memfdOf(name: string, bytes: Uint8Array): number {
  const fd = memfd_create(cstring(name), MFD_CLOEXEC);
  if (fd < 0) return fd;
  const written = write(fd, bytes);
  if (written < 0) {
    close(fd);
    return written;
  }
  lseek(fd, 0, 0);
  return fd;
}
