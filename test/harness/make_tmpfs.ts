// SPDX-License-Identifier: Apache-2.0

/** A tmpfs without a kernel, for tests. */
import { defaultOptions, Tmpfs } from '../../sentry/fs/tmpfs/tmpfs.ts';
import { nodeHostFiles } from './node_host.ts';

export function makeTmpfs(): Tmpfs {
  const host = { files: nodeHostFiles, info: { memoryTotal: 1 << 30, memoryAvailable: () => 1 << 30 } };
  return new Tmpfs(host as never, defaultOptions(host as never));
}
