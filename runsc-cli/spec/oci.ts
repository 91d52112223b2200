// SPDX-License-Identifier: Apache-2.0

/**
 * What of config.json is for the runtime around the sandbox: hooks, cgroups, namespaces to join, the terminal.
 */
import type { ConsoleSize } from '../console/pty.ts';
import type { Field } from './checker.ts';
import { type Hooks, translateHooks } from './hooks.ts';
import { type SeccompProfile, translateSeccomp } from './seccomp.ts';
import { type Resources, translateResources } from './resources.ts';

/** A new namespace, one by path, or the caller's. */
export type NamespaceChoice = { readonly kind: 'new' | 'caller' } | { readonly kind: 'path'; readonly path: string };

export interface OciSettings {
  readonly ociVersion: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly hooks: Hooks;
  readonly terminal: boolean;
  readonly consoleSize: ConsoleSize | null;
  /** '': none asked for. */
  readonly cgroupsPath: string;
  readonly resources: Resources;
  readonly hasResources: boolean;
  readonly network: NamespaceChoice;
  readonly oomScoreAdj: number | null;
  readonly seccomp: SeccompProfile | null;
  /** net.* settings, for the network namespace. */
  readonly netSysctl: Readonly<Record<string, string>>;
}

/** Throws RunscError. */
export function ociSettings(config: Field): OciSettings {
  const linux = config.get('linux');
  const process = config.get('process');
  const size = process.get('consoleSize');
  const annotations = config.get('annotations');
  const sysctl = linux.get('sysctl');
  const resources = linux.get('resources');
  const settings = Object.entries(sysctl.isPresent ? sysctl.object() : {}).map(([key]) => [key.replaceAll('/', '.'), sysctl.get(key).string()] as const);
  return {
    ociVersion: config.get('ociVersion').string(),
    annotations: annotations.isPresent ? Object.fromEntries(Object.keys(annotations.object()).map((key) => [key, annotations.get(key).string()])) : {},
    hooks: translateHooks(config.get('hooks')),
    terminal: process.get('terminal').optionalBoolean(false),
    consoleSize: size.isPresent ? { height: size.get('height').integer(0, 0xffff), width: size.get('width').integer(0, 0xffff) } : null,
    cgroupsPath: linux.get('cgroupsPath').optionalString(''),
    resources: translateResources(resources),
    hasResources: resources.isPresent && Object.keys(resources.object()).some((name) => name !== 'devices'),
    network: networkOf(linux),
    oomScoreAdj: process.get('oomScoreAdj').isPresent ? process.get('oomScoreAdj').integer(-1000, 1000) : null,
    seccomp: translateSeccomp(linux.get('seccomp')),
    netSysctl: Object.fromEntries(settings.filter(([key]) => key.startsWith('net.'))),
  };
}

function networkOf(linux: Field): NamespaceChoice {
  for (const item of linux.get('namespaces').items()) {
    if (item.get('type').string() !== 'network') continue;
    const path = item.get('path').optionalString('');
    return path === '' ? { kind: 'new' } : { kind: 'path', path: item.get('path').absolutePath() };
  }
  return { kind: 'caller' };
}
