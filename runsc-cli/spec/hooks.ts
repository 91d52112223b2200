// SPDX-License-Identifier: Apache-2.0

/**
 * hooks of config.json.
 */
import type { Field } from './checker.ts';

export const HOOK_KINDS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const;
export type HookKind = (typeof HOOK_KINDS)[number];

export interface Hook {
  readonly path: string;
  /** The whole argv; empty: the path alone. */
  readonly args: readonly string[];
  /** Null: the runtime's own. */
  readonly env: readonly string[] | null;
  /** Seconds; null: as long as it takes. */
  readonly timeout: number | null;
}

export type Hooks = Partial<Record<HookKind, readonly Hook[]>>;

/** Throws RunscError. */
export function translateHooks(field: Field): Hooks {
  const hooks: Hooks = {};
  if (!field.isPresent) return hooks;
  for (const kind of HOOK_KINDS) {
    const items = field.get(kind).items();
    if (items.length > 0) hooks[kind] = items.map(translateHook);
  }
  return hooks;
}

function translateHook(field: Field): Hook {
  field.object();
  const env = field.get('env');
  const timeout = field.get('timeout');
  return {
    path: field.get('path').absolutePath(),
    args: field.get('args').strings(),
    env: env.isPresent ? env.strings() : null,
    timeout: timeout.isPresent ? timeout.integer(1, 2 ** 31) : null,
  };
}
