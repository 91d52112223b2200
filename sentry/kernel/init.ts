// SPDX-License-Identifier: Apache-2.0

/**
 * Starting the container's processes: its init, and later ones from outside (exec).
 *
 * Linux: init/main.c (kernel_init); for exec: setns(2) and fork from a runtime
 */
import {
  EACCES,
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOTDIR,
  type Errno,
  errnoName,
  isErrno,
} from '../../platform/abi/linux/errno.ts';
import { SIGCHLD } from '../../platform/abi/linux/signal.ts';
import { S_IFDIR, S_IFMT } from '../../platform/abi/linux/stat.ts';
import type { UserMemory } from '../../platform/platform.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import type { ByteString } from '../vfs/inode.ts';
import type { MountNamespace, Path } from '../vfs/mount.ts';
import { openForExec } from '../vfs/open.ts';
import { walkPath } from '../vfs/path_walk.ts';
import type { FdTable } from './fd_table.ts';
import { FsContext } from './fs_context.ts';
import { type GuestContainer, nurseryOf } from './guest_container.ts';
import type { Kernel } from './kernel.ts';
import { ProcessGroup, Session } from './process/process_group.ts';
import {
  RLIMIT_AS,
  RLIMIT_CPU,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_MEMLOCK,
  RLIMIT_STACK,
  type Rlimits,
} from './process/rlimits.ts';
import { ThreadGroup } from './process/thread_group.ts';
import type { ReadyProgram } from './program_loader.ts';
import { SignalHandlers } from './signal/handlers.ts';
import { Task } from './task.ts';
import { allocatePids, registerTask } from './task_clone.ts';
import { execCredentials } from './task_exec.ts';
import { timersOf } from './timers/process_timers.ts';

/** A process started from outside. All strings are byte strings. */
export interface ProcessOptions {
  /** argv[0] is the program unless `executable` is given: a name without "/" is looked up in envp's PATH. */
  argv: readonly ByteString[];
  executable?: ByteString;
  envp: readonly ByteString[];
  cwd: ByteString;
  mountNs: MountNamespace;
  /** Default: the sandbox's own. */
  container?: GuestContainer;
  creds: Credentials;
  rlimits: Rlimits;
  /** Descriptors; ownership moves to the process (also on failure). */
  fdTable: FdTable;
  umask?: number;
  noNewPrivs?: boolean;
  oomScoreAdj?: number;
  /** Called with the wait status when the process ends. */
  onExit?: (status: number) => void;
}

/** Why a process could not be started: `message` names what is wrong, for the person who started it. */
export interface LaunchFailure {
  readonly errno: Errno;
  readonly message: string;
}

export function isLaunchFailure(value: Task | LaunchFailure): value is LaunchFailure {
  return 'message' in value;
}

const noMemory: UserMemory = {
  copyIn: () => EFAULT,
  copyOut: () => EFAULT,
  readCString: () => EFAULT,
  readU32: () => EFAULT,
  readU64: () => EFAULT,
  writeU32: () => EFAULT,
  writeU64: () => EFAULT,
  zero: () => EFAULT,
  compareExchangeU32: () => EFAULT,
  forceCopyOut: () => EFAULT,
};

/** Stands for the task that does not exist yet while its program is found and loaded. */
class LaunchContext implements IoContext {
  readonly memory = noMemory;
  readonly creds: Credentials;
  readonly rootDir: Path;
  cwd: Path;
  readonly umask: number;
  readonly fileSizeLimit: number;
  readonly lockOwnerPid = 0;
  constructor(options: ProcessOptions, root: Path) {
    this.creds = options.creds;
    this.rootDir = root;
    this.cwd = root;
    this.umask = options.umask ?? 0o022;
    this.fileSizeLimit = options.rlimits.soft(RLIMIT_FSIZE);
  }
  raiseSignal(): void {}
}

function failure(errno: Errno, message: string): LaunchFailure {
  return { errno, message };
}

/** Text of a byte string for messages. */
function shown(text: ByteString): string {
  return JSON.stringify(Buffer.from(text, 'latin1').toString('utf8'));
}

/** Creates the container's first process. It runs when Kernel.run() does. */
export function createInit(kernel: Kernel, options: ProcessOptions): Task | LaunchFailure {
  return launch(kernel, options);
}

/** Starts a further process in a running container (exec): a session of its own, no parent inside. */
export function execInContainer(kernel: Kernel, options: ProcessOptions): Task | LaunchFailure {
  return launch(kernel, options);
}

function launch(kernel: Kernel, options: ProcessOptions): Task | LaunchFailure {
  const { mountNs } = options;
  if (options.argv.length === 0) return failure(EINVAL, 'args is empty');
  const root: Path = { mount: mountNs.root, dentry: mountNs.root.root };
  const ctx = new LaunchContext(options, root);
  const cwd = walkPath(ctx, null, options.cwd, true);
  if (isErrno(cwd)) return failure(cwd, `cwd ${shown(options.cwd)}: ${errnoName(cwd)}`);
  if (((cwd.dentry.inode?.mode ?? 0) & S_IFMT) !== S_IFDIR)
    return failure(ENOTDIR, `cwd ${shown(options.cwd)}: not a directory`);
  ctx.cwd = cwd;
  const name = options.executable ?? (options.argv[0] as ByteString);
  const found = findExecutable(kernel, ctx, name, options.envp);
  if ('errno' in found) return found;
  const decided = { creds: options.creds, isSecure: false };
  const program = loadFirst(kernel, ctx, options, found.file, found.path, decided);
  found.file.decRef();
  if (isErrno(program)) return failure(program, `exec ${shown(found.path)}: ${errnoName(program)}`);
  return build(kernel, options, new FsContext(root, cwd, ctx.umask), program, decided.creds);
}

/** Finds the program by path, or by name in PATH. */
function findExecutable(
  kernel: Kernel,
  ctx: IoContext,
  name: ByteString,
  envp: readonly ByteString[],
): { file: FileDescription; path: ByteString } | LaunchFailure {
  if (name.includes('/')) {
    const file = openForExec(kernel.vfs, ctx, null, name);
    return isErrno(file) ? failure(file, `exec ${shown(name)}: ${errnoName(file)}`) : { file, path: name };
  }
  const search =
    envp.find((entry) => entry.startsWith('PATH='))?.slice(5) ??
    '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  let worst: Errno = ENOENT;
  // The empty name is found nowhere (execvp(3)); with a "/" before it it would be the directory.
  for (const directory of name === '' ? [] : search.split(':')) {
    const path = `${directory === '' ? '.' : directory}/${name}`;
    const file = openForExec(kernel.vfs, ctx, null, path);
    if (!isErrno(file)) return { file, path };
    if (file === EACCES) worst = EACCES;
  }
  return failure(
    worst,
    worst === EACCES
      ? `exec ${shown(name)}: permission denied`
      : `exec ${shown(name)}: executable file not found in $PATH`,
  );
}

function loadFirst(
  kernel: Kernel,
  ctx: LaunchContext,
  options: ProcessOptions,
  file: FileDescription,
  filename: ByteString,
  decided: { creds: Credentials; isSecure: boolean },
): ReadyProgram | Errno {
  const { rlimits, creds } = options;
  return kernel.loadProgram({
    platform: kernel.platform,
    ...nurseryOf(options.container ?? kernel.container),
    services: kernel.memoryServices,
    ctx,
    file,
    filename,
    argv: options.argv,
    envp: options.envp,
    limits: {
      addressSpace: rlimits.soft(RLIMIT_AS),
      data: rlimits.soft(RLIMIT_DATA),
      stack: rlimits.soft(RLIMIT_STACK),
      memlock: rlimits.soft(RLIMIT_MEMLOCK),
    },
    ids: { uid: creds.ruid, euid: creds.euid, gid: creds.rgid, egid: creds.egid },
    credentialsFor: (executable) => {
      const after = execCredentials(null, creds, options.noNewPrivs === true, executable);
      decided.creds = after.creds;
      decided.isSecure = after.isSecure;
      return {
        uid: after.creds.ruid,
        euid: after.creds.euid,
        gid: after.creds.rgid,
        egid: after.creds.egid,
        secure: after.isSecure,
      };
    },
    openInterpreter: (path) => openForExec(kernel.vfs, ctx, null, path),
  });
}

function build(
  kernel: Kernel,
  options: ProcessOptions,
  fsContext: FsContext,
  program: ReadyProgram,
  creds: Credentials,
): Task | LaunchFailure {
  const container = options.container ?? kernel.container;
  const { pid: pidNs, uts, ipc: ipcNs, net } = container.namespaces;
  const pids = container.isEnding ? ENOMEM : allocatePids(pidNs, [], options.creds);
  if (isErrno(pids)) {
    program.mm.decUsers();
    return failure(EAGAIN, 'no free process id, or the container has stopped');
  }
  const now = kernel.clock.boottimeNs();
  const group = new ThreadGroup(pidNs, pids, null, new SignalHandlers(), now, container);
  group.exitSignal = SIGCHLD;
  group.rlimits = options.rlimits;
  group.oomScoreAdj = options.oomScoreAdj ?? 0;
  group.hasExeced = true;
  new ProcessGroup(group, new Session(group)).add(group);
  const affinity = new Uint8Array(128);
  for (let cpu = 0; cpu < kernel.host.info.cpuCount; cpu++)
    affinity[cpu >> 3] = (affinity[cpu >> 3] as number) | (1 << (cpu & 7));
  const thread = program.mm.addressSpace.leader;
  const { mountNs, fdTable } = options;
  const task = new Task({
    kernel,
    pids,
    pidNs,
    group,
    thread,
    mm: program.mm,
    fdTable,
    fsContext,
    mountNs,
    uts,
    ipcNs,
    creds,
    affinity,
    startTimeNs: now,
  });
  task.netNs = net;
  task.comm = program.comm;
  thread.setName(program.comm);
  if (task.timeNs.isShifted) task.timeNs.enter(task.mm);
  task.noNewPrivs = options.noNewPrivs === true;
  registerTask(kernel, task);
  group.leader = task;
  group.tasks.add(task);
  pidNs.init ??= group;
  container.init ??= group;
  if (group.rlimits.soft(RLIMIT_CPU) !== Number.POSITIVE_INFINITY) timersOf(kernel, group).watchCpuLimit();
  if (options.onExit !== undefined) kernel.onProcessExit.set(group, options.onExit);
  kernel.ready.push(task);
  return task;
}
