// SPDX-License-Identifier: Apache-2.0

/** tmpfs under the filesystem contract. */
import { makeTmpfs } from '../harness/make_tmpfs.ts';
import { fsContract } from './fs_contract.ts';

fsContract({ name: 'tmpfs', make: () => makeTmpfs() });
