// SPDX-License-Identifier: Apache-2.0

/**
 * The host name of a container that does not say one: that of the UTS namespace it is to be in, of which the Sentry has its own idea.
 *
 * Linux: uts_namespaces(7). OCI runtime-spec: config-linux.md, "Namespaces".
 */
import { hostname } from 'node:os';
import { close, open } from '../../platform/ffi/lifecycle.ts';
import { setns } from '../../platform/ffi/namespaces.ts';
import { errnoWords, RunscError } from '../errors.ts';
import type { Field } from '../spec/checker.ts';
import { isAlive } from './process_identity.ts';
import { Container } from './state.ts';

const CLONE_NEWUTS = 0x04000000;
const O_RDONLY_CLOEXEC = 0o2000000;

/** `fallback` for a namespace of its own. Throws RunscError when the one it is to join cannot be entered. */
export function inheritedHostName(config: Field, root: string, fallback: string): string {
  if (!config.get('linux').isPresent) return fallback;
  const uts = config.get('linux').get('namespaces').items().find((item) => item.get('type').string() === 'uts');
  if (uts === undefined) return hostname();
  const path = uts.get('path').optionalString('');
  if (path === '') return fallback;
  const pid = Number(/^\/proc\/(\d+)\/ns\/uts$/.exec(path)?.[1] ?? 0);
  const other = Container.all(root).find(({ process }) => process?.pid === pid && isAlive(process));
  return other === undefined ? nameIn(path) : other.record.hostname;
}

function nameIn(path: string): string {
  const own = open('/proc/self/ns/uts', O_RDONLY_CLOEXEC);
  const wanted = open(path, O_RDONLY_CLOEXEC);
  const entered = wanted < 0 ? wanted : setns(wanted, CLONE_NEWUTS);
  const name = entered < 0 ? '' : hostname();
  if (entered >= 0) setns(own, CLONE_NEWUTS);
  for (const fd of [own, wanted]) if (fd >= 0) close(fd);
  if (entered < 0) throw new RunscError(`uts namespace ${path}: ${errnoWords(entered)}`);
  return name;
}
