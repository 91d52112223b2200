// SPDX-License-Identifier: Apache-2.0

/**
 * What --version prints; the number is package.json's, put in by the build.
 */
import { OCI_VERSION } from './spec/default_spec.ts';

declare const RUNSC_TS_VERSION: string | undefined;

export const VERSION = typeof RUNSC_TS_VERSION === 'string' ? RUNSC_TS_VERSION : '0.0.0-source';
export const VERSION_TEXT = `runsc-ts version ${VERSION}\nspec: ${OCI_VERSION}\n`;
