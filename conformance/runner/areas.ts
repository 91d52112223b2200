// SPDX-License-Identifier: Apache-2.0

/** Finds the conformance areas (a directory of C cases each) and builds an area's driver program. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileC } from '../../test/harness/compile.ts';
import { repositoryRoot } from '../../test/harness/repository.ts';

export interface Area {
  name: string;
  sources: string[];
  /** Cases in the order they run. */
  cases: string[];
  /** Long ones are not in the fast selection. */
  slow: boolean;
  /** Also run on a tmpfs and on a Gofer volume, because what it tests is a filesystem's behaviour. */
  onEveryFilesystem: boolean;
}

const ON_EVERY_FILESYSTEM = new Set(['file_open', 'file_rw', 'file_stat', 'dirs', 'links_rename', 'locks', 'mmap_files']);
const SLOW = new Set(['hostile', 'timers_clocks', 'rlimits', 'restarts']);

/** Returns all areas, by name. */
export function findAreas(): Area[] {
  const directory = casesDirectory();
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => readArea(join(directory, entry.name), entry.name))
    .filter((area) => area.cases.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Compiles an area's cases with the driver. Returns the program's path; throws when they do not compile. */
export function buildArea(area: Area): string {
  const runner = join(repositoryRoot(), 'conformance', 'runner');
  return compileC([join(runner, 'driver.c'), ...area.sources], {
    headers: [join(runner, 'case.h')],
    includeDirectories: [runner],
  });
}

function readArea(directory: string, name: string): Area {
  const sources = readdirSync(directory)
    .filter((file) => file.endsWith('.c'))
    .sort()
    .map((file) => join(directory, file));
  const cases = sources.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/^CASE\((\w+)\)/gm)].map((match) => match[1] as string),
  );
  const doubled = cases.find((name_, index) => cases.indexOf(name_) !== index);
  if (doubled !== undefined) throw new Error(`${name}: two cases are called ${doubled}`);
  return { name, sources, cases, slow: SLOW.has(name), onEveryFilesystem: ON_EVERY_FILESYSTEM.has(name) };
}

function casesDirectory(): string {
  return join(repositoryRoot(), 'conformance', 'syscalls');
}
