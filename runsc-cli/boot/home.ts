// SPDX-License-Identifier: Apache-2.0

/**
 * HOME of a process whose configuration does not say: from the container's own /etc/passwd, as runc finds it.
 */
import { isErrno } from '../../platform/abi/linux/errno.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { BufferIo } from '../../sentry/vfs/io.ts';
import type { MountNamespace } from '../../sentry/vfs/mount.ts';
import { openPath } from '../../sentry/vfs/open.ts';
import { setupContext } from './mounts.ts';

const MAX_PASSWD = 1 << 20;

/** The environment (byte strings) with HOME in it. */
export function withHome(kernel: Kernel, mountNs: MountNamespace, env: readonly string[], uid: number): string[] {
  if (env.some((item) => item.startsWith('HOME='))) return [...env];
  return [...env, `HOME=${homeOf(kernel, mountNs, uid)}`];
}

function homeOf(kernel: Kernel, mountNs: MountNamespace, uid: number): string {
  const ctx = setupContext(kernel, { mount: mountNs.root, dentry: mountNs.root.root });
  const file = openPath(kernel.vfs, ctx, null, '/etc/passwd', 0, 0, 0);
  if (isErrno(file)) return '/';
  // Only a regular file: the container made it, and anything else might wait.
  const isRegular = (file.inode.mode & 0o170000) === 0o100000;
  const bytes = Buffer.alloc(isRegular ? Math.min(file.inode.size, MAX_PASSWD) : 0);
  const n = bytes.length === 0 ? 0 : file.read(ctx, new BufferIo(bytes));
  file.decRef();
  for (const line of bytes.toString('latin1', 0, Math.max(0, n)).split('\n')) {
    const fields = line.split(':');
    if (fields[2] === String(uid) && fields[5] !== undefined && fields[5] !== '') return fields[5];
  }
  return '/';
}
