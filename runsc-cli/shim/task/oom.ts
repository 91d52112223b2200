// SPDX-License-Identifier: Apache-2.0

/**
 * Notices when the kernel kills something in a container for want of memory.
 *
 * Linux: memory.oom_control (cgroups v1), memory.events (v2): both count the kills.
 */
import { oomKills } from '../../cgroup/stats.ts';

const INTERVAL_MS = 1000;

/** Calls `onKill` for each kill that is seen. Returns how to stop, which looks once more. */
export function watchOom(cgroupsPath: string, onKill: () => void): () => boolean {
  if (cgroupsPath === '') return () => false;
  let seen = oomKills(cgroupsPath);
  const look = (): boolean => {
    const count = oomKills(cgroupsPath);
    const isMore = count > seen;
    seen = Math.max(seen, count);
    if (isMore) onKill();
    return isMore;
  };
  const timer = setInterval(look, INTERVAL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    return look();
  };
}
