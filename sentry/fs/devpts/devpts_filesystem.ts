// SPDX-License-Identifier: Apache-2.0

/**
 * devpts: the directory of pty slaves and its ptmx.
 *
 * Linux: fs/devpts/inode.c, drivers/tty/pty.c (ptmx_open); pts(4)
 */
import { EBUSY, EINVAL, EIO, ENOENT, ENOSPC, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { O_NOCTTY } from '../../../platform/abi/linux/fcntl.ts';
import { makedev, minorOf, S_IFCHR } from '../../../platform/abi/linux/stat.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { TtyKernel } from '../../kernel/process/tty_job_control.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { Task } from '../../kernel/task.ts';
import { sendToProcessGroup } from '../../kernel/signal/send.ts';
import type { IoContext } from '../../vfs/context.ts';
import { Dentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { Filesystem, type FilesystemType, type StatFs } from '../../vfs/filesystem.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import { PseudoInode, StaticDirInode } from '../../vfs/pseudo_file.ts';
import { Pty } from './pty.ts';
import { MasterFile, SlaveFile } from './pty_files.ts';

const DEVPTS_SUPER_MAGIC = 0x1cd1;
const TTYAUX_MAJOR = 5;
export const PTS_MAJOR = 136;
const MAX_PTYS = 4096;

interface Options {
  uid: number | null;
  gid: number | null;
  mode: number;
  ptmxmode: number;
}

export class DevptsFilesystem extends Filesystem {
  override readonly typeName = 'devpts';
  override readonly root: StaticDirInode;
  override readonly cacheNegative = false;
  override readonly needsRevalidate = true;
  readonly magic = DEVPTS_SUPER_MAGIC;
  readonly options: Options;
  private readonly kernel: TtyKernel;
  private readonly ptys = new Map<number, Pty>();
  /** Numbers of terminals that are not ours. */
  private readonly foreign = new Set<number>();

  constructor(kernel: TtyKernel, options: Options) {
    super();
    this.source = 'devpts';
    this.kernel = kernel;
    this.options = options;
    this.root = new StaticDirInode(this, 0o755);
    this.root.add('ptmx', new PtmxInode(this, options.ptmxmode));
    instances.push(this);
  }
  override release(): void {
    instances.splice(instances.indexOf(this), 1);
  }
  get count(): number {
    return this.ptys.size;
  }
  pty(index: number): Pty | null {
    return this.ptys.get(index) ?? null;
  }
  override revalidate(_ctx: IoContext, dentry: Dentry): boolean {
    return dentry.inode !== null && this.root.entries.get(dentry.name) === dentry.inode;
  }
  override statfs(out: StatFs): number {
    out.type = DEVPTS_SUPER_MAGIC;
    out.bsize = 4096;
    out.namelen = 255;
    return 0;
  }
  override showOptions(): string {
    const { uid, gid, mode, ptmxmode } = this.options;
    return `${uid === null ? '' : `,uid=${uid}`}${gid === null ? '' : `,gid=${gid}`},mode=${mode.toString(8)},ptmxmode=${ptmxmode.toString(8).padStart(3, '0')}`;
  }

  private freeIndex(): number {
    let index = 0;
    while (this.ptys.has(index) || this.foreign.has(index)) index++;
    return index;
  }

  /** Gives a terminal from elsewhere (the container's own) a number and a name here. Returns the number, or ENOSPC. */
  addForeign(inode: Inode): number {
    const index = this.freeIndex();
    if (index >= MAX_PTYS) return ENOSPC;
    this.foreign.add(index);
    this.root.add(String(index), inode);
    return index;
  }

  removeForeign(index: number): void {
    this.foreign.delete(index);
    this.forget(index);
  }

  private forget(index: number): void {
    this.root.remove(String(index));
    this.rootDentry?.children?.get(String(index))?.unlinked();
  }

  /** Opens ptmx: makes a pty and its slave's name. Errors: ENOSPC. */
  openMaster(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno {
    const index = this.freeIndex();
    if (index >= MAX_PTYS) return ENOSPC;
    const pty = new Pty(index, this.kernel, openSlave);
    const slave = new SlaveInode(
      this,
      pty,
      this.options.uid ?? ctx.creds.fsuid,
      this.options.gid ?? ctx.creds.fsgid,
      this.options.mode,
    );
    this.ptys.set(index, pty);
    this.root.add(String(index), slave);
    const place = (): Path => ({ mount: path.mount, dentry: new Dentry(this, this.rootDentry, String(index), slave) });
    const master = new MasterFile(path, inode, flags & ~O_NOCTTY, ctx, pty, (c, f) =>
      openSlave(pty, c, place(), slave, f),
    );
    master.onReleased = () => {
      this.ptys.delete(index);
      this.forget(index);
    };
    return master;
  }
}

/** Mounted instances, the newest last: where a /dev/ptmx node that is not devpts' own leads. */
const instances: DevptsFilesystem[] = [];

class PtmxInode extends PseudoInode {
  override readonly opensSpecial: boolean = true;

  constructor(fs: DevptsFilesystem, mode: number) {
    super(fs, S_IFCHR | mode);
    this.rdev = makedev(TTYAUX_MAJOR, 2);
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return (this.fs as DevptsFilesystem).openMaster(ctx, path, this, flags);
  }
}

class SlaveInode extends PseudoInode {
  override readonly opensSpecial: boolean = true;
  readonly pty: Pty;

  constructor(fs: DevptsFilesystem, pty: Pty, uid: number, gid: number, mode: number) {
    super(fs, S_IFCHR | mode);
    this.pty = pty;
    this.rdev = pty.rdev;
    this.uid = uid;
    this.gid = gid;
  }
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return openSlave(this.pty, ctx, path, this, flags);
  }
}

/** Opens a slave; a session leader without a terminal gets this one. Errors: EIO (locked, hung up), EBUSY (exclusive). */
function openSlave(pty: Pty, ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno {
  if (!pty.isMasterOpen || pty.isLocked) return EIO;
  if (pty.isExclusive && pty.slaveOpens > 0 && !ctx.creds.hasCap(CAP_SYS_ADMIN)) return EBUSY;
  const file = new SlaveFile(path, inode, flags, ctx, pty);
  const group = (ctx as Task).threadGroup;
  if (
    (flags & O_NOCTTY) === 0 &&
    group?.session?.leader === group &&
    group.session.tty === null &&
    pty.session === null
  )
    pty.setControlling(ctx);
  return file;
}

const jobControl: TtyKernel = {
  signalProcessGroup: (group, signo) => sendToProcessGroup(group, signo),
  isBlockedOrIgnored: (ctx, signo) => {
    const t = ctx as Task;
    return t.blocked.has(signo) || t.threadGroup.handlers.isIgnored(signo);
  },
};

function parseOptions(data: ByteString): Options | Errno {
  const options: Options = { uid: null, gid: null, mode: 0o600, ptmxmode: 0 };
  for (const option of data.split(',')) {
    const [name, value = ''] = option.split('=', 2) as [string, string?];
    if (name === '' || name === 'newinstance' || name === 'max') continue;
    const isOctal = name === 'mode' || name === 'ptmxmode';
    if (!(isOctal ? /^[0-7]{1,4}$/ : /^\d{1,10}$/).test(value)) return EINVAL;
    if (name === 'mode') options.mode = Number.parseInt(value, 8) & 0o777;
    else if (name === 'ptmxmode') options.ptmxmode = Number.parseInt(value, 8) & 0o777;
    else if (name === 'uid') options.uid = Number(value);
    else if (name === 'gid') options.gid = Number(value);
    else return EINVAL;
  }
  return options;
}

/** devpts for mount(2), each mount an instance of its own; and the nodes 5:2 and 136:n wherever they are. */
export function devptsType(kernel: Kernel): FilesystemType {
  const newest = (): DevptsFilesystem | undefined => instances[instances.length - 1];
  sysctlHooks.ptyCount = () => instances.reduce((n, fs) => n + fs.count, 0);
  kernel.vfs.devices.register(
    TTYAUX_MAJOR,
    2,
    '/dev/ptmx',
    (ctx, path, inode, flags) => newest()?.openMaster(ctx, path, inode, flags) ?? ENOENT,
  );
  kernel.vfs.devices.register(PTS_MAJOR, null, 'pts', (ctx, path, inode, flags) => {
    const pty = newest()?.pty(minorOf(inode.rdev)) ?? null;
    return pty === null ? EIO : openSlave(pty, ctx, path, inode, flags);
  });
  return {
    name: 'devpts',
    isUserMountable: true,
    isNodev: true,
    mount: (_ctx, _source, data) => {
      const options = parseOptions(data);
      return isErrno(options) ? options : new DevptsFilesystem(jobControl, options);
    },
  };
}
