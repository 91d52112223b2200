// SPDX-License-Identifier: Apache-2.0

/**
 * Reads a bundle's config.json: size and nesting are limited before anything looks at it.
 */
import { openSync, closeSync, fstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, RunscError, systemReason } from '../errors.ts';
import { Field } from './checker.ts';

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 64;

/** Reads <bundle>/config.json as an unchecked tree. Throws RunscError. */
export function loadConfig(bundle: string): Field {
  let isDirectory = false;
  try {
    isDirectory = statSync(bundle).isDirectory();
  } catch (error) {
    throw new RunscError(`chdir ${bundle}: ${systemReason(error)}`);
  }
  if (!isDirectory) throw new RunscError(`chdir ${bundle}: not a directory`);
  return parseConfig(readLimited(join(bundle, 'config.json')), 'config.json');
}

/** Parses JSON text with the limits. Throws RunscError. */
export function parseConfig(text: string, name: string): Field {
  checkDepth(text, name);
  let value: unknown;
  try {
    value = JSON.parse(text.includes('"value') ? exactValues(text) : text);
  } catch (error) {
    throw new RunscError(`${name}: not valid JSON: ${messageOf(error).replace(/\n/g, ' ')}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RunscError(`${name}: must be an object`);
  return new Field(value, '');
}

function readLimited(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new RunscError(`JSON specification file ${path}: ${systemReason(error)}`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new RunscError(`${path}: not a regular file`);
    if (stat.size > MAX_BYTES) throw new RunscError(`${path}: larger than ${MAX_BYTES} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Seccomp compares 64 bits, which a double does not hold: members "value" and "valueTwo" with many digits become strings of them. */
function exactValues(text: string): string {
  return text.replace(/("value(?:Two)?"\s*:\s*)(\d{16,20})(?![\d.eE])/g, '$1"$2"');
}

/** JSON.parse recurses; a hostile file must not exhaust the stack. */
function checkDepth(text: string, name: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > MAX_DEPTH) throw new RunscError(`${name}: nested deeper than ${MAX_DEPTH} levels`);
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
}
