// SPDX-License-Identifier: Apache-2.0

/**
 * Which pod a bundle belongs to, and what of its namespaces it shares: annotations of containerd's CRI plugin, CRI-O and Podman.
 */
import { statSync } from 'node:fs';
import type { PodNamespaces } from '../../sentry/control/messages/commands.ts';
import { RunscError, systemReason } from '../errors.ts';
import type { Field } from '../spec/checker.ts';
import { isAlive } from './process_identity.ts';
import { Container } from './state.ts';

const TYPE_KEYS = ['io.kubernetes.cri.container-type', 'io.kubernetes.cri-o.ContainerType'];
const SANDBOX_KEYS = ['io.kubernetes.cri.sandbox-id', 'io.kubernetes.cri-o.SandboxID'];

type Annotations = Readonly<Record<string, string>>;

function first(annotations: Annotations, keys: readonly string[]): string {
  return keys.map((key) => annotations[key] ?? '').find((value) => value !== '') ?? '';
}

/**
 * The container in whose sandbox a new one is to be made; null: it gets a sandbox of its own, also when its pod has no container that holds
 * the others' sandbox (Podman's --infra=false). Throws RunscError when that has ended.
 */
export function podSandbox(annotations: Annotations, root: string, id: string): Container | null {
  const sandboxId = first(annotations, SANDBOX_KEYS);
  if (first(annotations, TYPE_KEYS) !== 'container' || sandboxId === id || !/^[\w+.-]+$/.test(sandboxId)) return null;
  const sandbox = Container.find(root, sandboxId);
  if (sandbox === null || sandbox.record.pod !== null) return null;
  if (sandbox.status === 'stopped' || sandbox.status === 'creating') throw new RunscError(`sandbox ${sandboxId} is not running`);
  return sandbox;
}

/** What of a pod's namespaces a container shares. Throws RunscError for one that is not the pod's. */
export function podNamespaces(config: Field, sandbox: Container, root: string): PodNamespaces {
  const items = config.get('linux').get('namespaces').items();
  const pathOf = (type: string): string | null => items.find((item) => item.get('type').string() === type)?.get('path').optionalString('') ?? null;
  const choice = (type: string): 'new' | 'sandbox' => (pathOf(type) === '' ? 'new' : 'sandbox');
  const sentry = sandbox.record.sentry?.pid ?? 0;
  const net = pathOf('network');
  if (net !== null && net !== '' && !isNamespace(net, sentry, 'net')) throw new RunscError(`network namespace ${net} is not that of sandbox ${sandbox.id}`);
  return { pid: pidChoice(pathOf('pid'), sandbox, root), uts: choice('uts'), ipc: choice('ipc'), net: choice('network') };
}

/** A namespace by path is the sandbox's, or that of the container that a process stands for. */
function pidChoice(path: string | null, sandbox: Container, root: string): PodNamespaces['pid'] {
  if (path === '') return 'new';
  const sentry = sandbox.record.sentry?.pid ?? 0;
  if (path === null || isNamespace(path, sentry, 'pid')) return 'sandbox';
  const pid = Number(/^\/proc\/(\d+)\/ns\/pid$/.exec(path)?.[1] ?? 0);
  const other = Container.all(root).find(({ record, process }) => process?.pid === pid && isAlive(process) && record.pod === sandbox.id);
  if (other === undefined) throw new RunscError(`pid namespace ${path} is not one of sandbox ${sandbox.id}`);
  return { of: other.id };
}

/** Is `path` the namespace that a process is in? Throws RunscError when there is none. */
function isNamespace(path: string, pid: number, type: string): boolean {
  try {
    const [one, other] = [statSync(path), statSync(`/proc/${pid}/ns/${type}`)];
    return one.ino === other.ino && one.dev === other.dev;
  } catch (error) {
    throw new RunscError(`namespace ${path}: ${systemReason(error)}`);
  }
}
