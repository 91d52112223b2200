// SPDX-License-Identifier: Apache-2.0

/**
 * Shared memory segments: a memfd each, mapped as a SharedRegion.
 *
 * Linux:      ipc/shm.c
 * Invariants: the descriptor is open from creation until the segment is removed and has no mappings.
 */
import { SHM_DEST } from '../../../platform/abi/linux/ipc.ts';
import type { HostFiles } from '../../../platform/platform.ts';
import type { Credentials } from '../../auth/credentials.ts';
import { SharedRegion } from '../../mm/vma.ts';
import { type IpcIds, IpcObject } from './ipc_ids.ts';

/** Where a segment lives: its table, the host's files, the clock. */
export interface SegmentHome {
  readonly ids: IpcIds<SharedSegment>;
  readonly files: HostFiles;
  /** kernel.shm_rmid_forced: nobody attached means gone. */
  readonly isForced: () => boolean;
  readonly seconds: () => number;
}

export class SharedSegment extends IpcObject {
  readonly size: number;
  readonly fd: number;
  readonly cpid: number;
  lpid = 0;
  atime = 0;
  dtime = 0;
  private made: SharedRegion | null = null;
  private readonly home: SegmentHome;

  constructor(
    key: number,
    mode: number,
    creds: Credentials,
    size: number,
    fd: number,
    cpid: number,
    home: SegmentHome,
  ) {
    super(key, mode, creds);
    this.size = size;
    this.fd = fd;
    this.cpid = cpid;
    this.home = home;
    this.ctime = home.seconds();
  }

  /** What its mappings share. Valid once the segment has its identifier. */
  get region(): SharedRegion {
    if (this.made === null) {
      this.made = new SharedRegion(`/SYSV${(this.key >>> 0).toString(16).padStart(8, '0')} (deleted)`, this.id);
      this.made.onChange = (opened) => this.onMappingChange(opened);
    }
    return this.made;
  }
  get attachCount(): number {
    return this.made?.mappings ?? 0;
  }

  /** IPC_RMID: gone at once when nobody maps it, else with the last mapping. */
  destroy(): void {
    if (this.attachCount > 0) {
      this.mode |= SHM_DEST;
      this.home.ids.forgetKey(this);
      return;
    }
    this.home.ids.remove(this);
    this.home.files.close(this.fd);
  }

  private onMappingChange(opened: boolean): void {
    if (opened) this.atime = this.home.seconds();
    else this.dtime = this.home.seconds();
    if (!opened && this.attachCount === 0 && ((this.mode & SHM_DEST) !== 0 || this.home.isForced()) && !this.isRemoved) this.destroy();
  }
}
