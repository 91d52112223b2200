// SPDX-License-Identifier: Apache-2.0

/**
 * Where kernel rooms that /proc cannot import (sockets, System V IPC) leave the texts of their files.
 *
 * Linux: net/core/net-procfs.c, ipc/util.c (each owner registers its own entries)
 */
import type { Task } from './task.ts';

/** Path below /proc ("net/unix", "sysvipc/shm") to what makes its content for the task that reads it. */
export const procTexts = new Map<string, (t: Task) => string>();

/** The network's interfaces with the texts of their files below /sys/class/net, for sysfs. */
export const interfaceTexts = { list: (): readonly (readonly [string, readonly (readonly [string, string])[]])[] => [] };
