// SPDX-License-Identifier: Apache-2.0

/**
 * The shim's heavy part, a bundle of its own: all that speaks protocol buffers or calls the kernel. `start` does without it.
 */
export { runDaemon } from './daemon.ts';
export { deleteAction } from './delete_action.ts';
export { infoAction } from './info_action.ts';
export { joinShimCgroup } from './shim_cgroup.ts';
export { warmUp } from './warm_up.ts';
