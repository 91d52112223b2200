// SPDX-License-Identifier: Apache-2.0

/**
 * The Sentry's bundle (parts.ts): the kernel, the platform, the system call table.
 */
export { buildCallFilter as buildStubFilter } from '../../platform/seccomp/stub_filter.ts';
export { setCodeCacheMaker } from './code_cache.ts';
export { sentryMain } from './sentry_process.ts';
export { supportTable } from './support_table.ts';
