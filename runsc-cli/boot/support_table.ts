// SPDX-License-Identifier: Apache-2.0

/**
 * The system call table as text: `runsc-ts help syscalls` and docs/compat.
 */
export { renderSupport as supportTable } from '../../syscalls/table/support.ts';
