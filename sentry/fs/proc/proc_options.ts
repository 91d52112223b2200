// SPDX-License-Identifier: Apache-2.0

/**
 * The mount options of proc: whose processes are hidden from whom, and a proc that has nothing but processes.
 *
 * Linux: fs/proc/root.c (proc_parse_param), fs/proc/base.c (has_pid_permissions)
 */
import { EINVAL, type Errno } from '../../../platform/abi/linux/errno.ts';
import { mayPtraceAccess } from '../../kernel/process/ptrace_access.ts';
import type { Task } from '../../kernel/task.ts';

/** hidepid=: by number or name. */
export const HIDEPID_OFF = 0;
/** What is in others' directories cannot be reached. */
export const HIDEPID_NO_ACCESS = 1;
/** Others' directories are not listed and not found. */
export const HIDEPID_INVISIBLE = 2;
/** Only what may be traced is there. */
export const HIDEPID_NOT_PTRACEABLE = 4;

const HIDEPID_NAMES: ReadonlyMap<string, number> = new Map([
  ['off', HIDEPID_OFF],
  ['noaccess', HIDEPID_NO_ACCESS],
  ['invisible', HIDEPID_INVISIBLE],
  ['ptraceable', HIDEPID_NOT_PTRACEABLE],
  ['0', HIDEPID_OFF],
  ['1', HIDEPID_NO_ACCESS],
  ['2', HIDEPID_INVISIBLE],
  ['4', HIDEPID_NOT_PTRACEABLE],
]);

export class ProcOptions {
  hidepid = HIDEPID_OFF;
  /** The group from which nothing is hidden. */
  gid = 0;
  /** subset=pid */
  isPidOnly = false;

  /** Reads mount(2)'s data. Errors: EINVAL. */
  static parse(data: string): ProcOptions | Errno {
    const options = new ProcOptions();
    for (const option of data.split(',')) {
      const [key, value] = option.split('=', 2);
      if (option === '') continue;
      if (key === 'hidepid' && HIDEPID_NAMES.has(value ?? '')) options.hidepid = HIDEPID_NAMES.get(value ?? '') as number;
      else if (key === 'gid' && /^\d{1,10}$/.test(value ?? '') && Number(value) < 0xffffffff) options.gid = Number(value);
      else if (key === 'subset' && value === 'pid') options.isPidOnly = true;
      else return EINVAL;
    }
    return options;
  }

  /** As /proc/mounts shows them, each behind a comma. */
  get text(): string {
    const name = [...HIDEPID_NAMES].find(([, value]) => value === this.hidepid)?.[0] ?? '';
    return `${this.gid === 0 ? '' : `,gid=${this.gid}`}${this.hidepid === HIDEPID_OFF ? '' : `,hidepid=${name}`}${this.isPidOnly ? ',subset=pid' : ''}`;
  }

  /** May `caller` do what is hidden from `least` on? */
  allows(caller: Task, target: Task, least: number): boolean {
    if (this.hidepid !== HIDEPID_NOT_PTRACEABLE) {
      if (this.hidepid < least) return true;
      if (caller.creds.inGroup(this.gid)) return true;
    }
    return mayPtraceAccess(caller, target, true);
  }
}
