// SPDX-License-Identifier: Apache-2.0

/**
 * loadProgram: builds the new memory image execve(2) asks for: scripts, ELF executable, interpreter, stack.
 *
 * Linux:      fs/exec.c, fs/binfmt_elf.c
 * Invariants: nothing of the caller's is changed: on error the fresh address space is released and the caller goes on.
 *             All mappings reach the host in one batch, the stack in one copy.
 */
import { EFAULT, EIO, ENOMEM, ETXTBSY, isErrno, type Errno } from '../../platform/abi/linux/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../platform/abi/linux/mman.ts';
import { REG_RIP, REG_RSP } from '../../platform/registers.ts';
import type { ProgramRequest, ReadyProgram } from '../kernel/program_loader.ts';
import { MemoryManager, NO_LIMITS } from '../mm/memory_manager.ts';
import {
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_IO,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_PFNMAP,
  VM_READ,
  Vma,
} from '../mm/vma.ts';
import { checkArguments } from './arguments.ts';
import { type AuxFacts, buildInitialStack, type InitialStack } from './initial_stack.ts';
import { chooseBrk, chooseMmapBase, chooseProgramBase, chooseStackTop, Randomizer } from './layout.ts';
import { type Fixup, mapImage, type MappedImage, pageUp } from './map_image.ts';
import { findProgram, type ProgramFiles, readAt } from './program_files.ts';

/** What setup_arg_pages adds below the arguments. */
const STACK_EXPAND = 128 * 1024;
/** Bytes of a signal frame besides the XSAVE image. */
const SIGFRAME_REST = 862 + 4 + 63;

/** Builds the image; see ProgramLoader. The caller keeps its references. */
export function loadProgram(request: ProgramRequest): ReadyProgram | Errno {
  const argv = request.argv.length === 0 ? [''] : request.argv;
  if (request.file.inode.writers > 0) return ETXTBSY;
  const tooBig = checkArguments(request.filename, argv, request.envp, request.limits.stack);
  if (tooBig < 0) return tooBig as Errno;
  request.file.incRef();
  const files = findProgram(
    request.ctx,
    request.file,
    request.filename,
    argv,
    request.openInterpreter,
    request.scriptUnreachable === true,
  );
  if (isErrno(files)) return files;
  const loaded = build(request, files);
  files.interpreter?.file.decRef();
  files.file.decRef();
  return loaded;
}

function build(request: ProgramRequest, files: ProgramFiles): ReadyProgram | Errno {
  const tooBig = checkArguments(request.filename, files.argv, request.envp, request.limits.stack);
  if (tooBig < 0) return tooBig as Errno;
  const space = request.platform.newAddressSpace(request.nursery);
  if (isErrno(space)) return space;
  let mm = new MemoryManager(space, request.services);
  if (fill(mm, request, files) < 0) {
    mm.decUsers();
    const other = request.platform.newAddressSpace(request.nursery);
    if (isErrno(other)) return other;
    mm = emptyImage(new MemoryManager(other, request.services), request, files);
  }
  const { filename } = request;
  return { mm, executable: files.file, comm: filename.slice(filename.lastIndexOf('/') + 1).slice(0, 15) };
}

/**
 * Linux cannot return from execve once the headers were accepted: a program whose segments cannot be mapped dies of SIGSEGV.
 * So does this one, at its first instruction.
 */
function emptyImage(mm: MemoryManager, request: ProgramRequest, files: ProgramFiles): MemoryManager {
  mm.limits = request.limits;
  addVdso(mm);
  mm.setExecutable(files.file);
  return mm;
}

/** Maps everything and sets the registers. Returns 0 or errno. */
function fill(mm: MemoryManager, request: ProgramRequest, files: ProgramFiles): number {
  const { layout } = mm.addressSpace;
  const random = new Randomizer(request.services.host, request.noRandomize !== true);
  const stackTop = chooseStackTop(layout, request.limits.stack, random);
  mm.mmapBase = chooseMmapBase(layout, stackTop, request.limits.stack, random);
  mm.limits = request.limits;
  addVdso(mm);
  mm.beginBatch();
  const fixups: Fixup[] = [];
  const images = mapImages(mm, request, files, random, fixups);
  if (isErrno(images)) return images;
  const { program, loader } = images;
  const stack = buildInitialStack(
    stackTop,
    request.filename,
    files.argv,
    request.envp,
    auxFacts(request, files, images, layout.vdso?.start ?? 0),
    random.seed,
    random.below(8192),
  );
  const stackStart = mapStack(mm, stack, stackTop, files.image.hasExecutableStack, request.limits.stack);
  if (stackStart < 0) return stackStart;
  const applied = mm.commitBatch();
  if (applied < 0) return applied;
  const fixed = applyFixups(mm, request, fixups);
  if (fixed < 0) return fixed;
  if (mm.addressSpace.memory.copyOut(stack.sp, stack.bytes, 0, stack.bytes.length) !== stack.bytes.length)
    return EFAULT;
  finish(mm, files, program, stack, random);
  const { registers } = mm.addressSpace.leader;
  registers.set(
    REG_RIP,
    loader === null || files.interpreter === null
      ? files.image.entry + program.bias
      : files.interpreter.image.entry + loader.bias,
  );
  registers.set(REG_RSP, stack.sp);
  return 0;
}

interface MappedImages {
  readonly program: MappedImage;
  readonly loader: MappedImage | null;
}

function auxFacts(
  request: ProgramRequest,
  files: ProgramFiles,
  { program, loader }: MappedImages,
  vdso: number,
): AuxFacts {
  const { info } = request.services.host;
  const ids = request.credentialsFor(files.file);
  return {
    vdso,
    minSigStackSize: Math.ceil((info.xsaveSize + SIGFRAME_REST) / 16) * 16,
    hwcap: info.hwcap,
    hwcap2: info.hwcap2,
    platformName: info.platformName,
    phdr: files.image.phdrAddress === 0 ? 0 : files.image.phdrAddress + program.bias,
    phnum: files.image.phnum,
    base: loader === null ? 0 : loader.bias,
    entry: files.image.entry + program.bias,
    uid: ids.uid,
    euid: ids.euid,
    gid: ids.gid,
    egid: ids.egid,
    isSecure: ids.secure,
  };
}

/** The program, and its ELF interpreter when it has one. */
function mapImages(
  mm: MemoryManager,
  request: ProgramRequest,
  files: ProgramFiles,
  random: Randomizer,
  fixups: Fixup[],
): MappedImages | Errno {
  const { image } = files;
  const { layout } = mm.addressSpace;
  let placement: { bias: number } | 'anywhere' = { bias: 0 };
  if (image.isPositionIndependent)
    placement = files.interpreter === null ? 'anywhere' : { bias: chooseProgramBase(layout, image.alignment, random) };
  const program = mapImage(mm, request.ctx, files.file, image, placement, fixups);
  if (isErrno(program)) return program;
  if (files.interpreter === null) return { program, loader: null };
  const { file, image: loaderImage } = files.interpreter;
  const loader = mapImage(
    mm,
    request.ctx,
    file,
    loaderImage,
    loaderImage.isPositionIndependent ? 'anywhere' : { bias: 0 },
    fixups,
  );
  return isErrno(loader) ? loader : { program, loader };
}

/** Maps the stack from 128 KiB below the arguments up to `top`. Returns its start or errno. */
function mapStack(mm: MemoryManager, stack: InitialStack, top: number, isExecutable: boolean, limit: number): number {
  const strings = stack.argStart - (stack.argStart % PAGE_SIZE);
  const lowest = limit === Number.POSITIVE_INFINITY ? 0 : top - Math.floor(limit / PAGE_SIZE) * PAGE_SIZE;
  const start = Math.min(stack.sp - (stack.sp % PAGE_SIZE), Math.max(strings - STACK_EXPAND, lowest));
  const prot = PROT_READ | PROT_WRITE | (isExecutable ? PROT_EXEC : 0);
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN;
  const at = mm.mmap({ addr: start, length: top - start, prot, flags, file: null, offset: 0 }, NO_LIMITS);
  return at < 0 ? ENOMEM : at;
}

/** Clears the ends of file pages and fills what could not be mapped. */
function applyFixups(mm: MemoryManager, request: ProgramRequest, fixups: readonly Fixup[]): number {
  for (const fixup of fixups) {
    if (fixup.file === null) {
      if (mm.addressSpace.memory.zero(fixup.addr, fixup.length) !== fixup.length) return EFAULT;
      continue;
    }
    const bytes = readAt(request.ctx, fixup.file, fixup.offset, fixup.length);
    if (isErrno(bytes)) return bytes;
    if (bytes.length < fixup.length) return EIO;
    if (mm.addressSpace.memory.copyOut(fixup.addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
    const result = mm.mprotect(fixup.addr, fixup.length, fixup.prot);
    if (result < 0) return result;
  }
  return 0;
}

/** Records where everything is. */
function finish(
  mm: MemoryManager,
  files: ProgramFiles,
  program: MappedImage,
  stack: InitialStack,
  random: Randomizer,
): void {
  mm.setExecutable(files.file);
  mm.auxv = stack.auxv;
  const { layout } = mm;
  layout.startCode = program.startCode;
  layout.endCode = program.endCode;
  layout.startData = program.startData;
  layout.endData = program.endData;
  const isStaticPie = files.image.isPositionIndependent && files.interpreter === null;
  const brkBase = isStaticPie
    ? Math.floor(((mm.addressSpace.layout.maxAddr / 3) * 2) / PAGE_SIZE) * PAGE_SIZE
    : pageUp(program.end);
  layout.startBrk = layout.brk = chooseBrk(brkBase, random);
  layout.startStack = stack.sp;
  layout.argStart = stack.argStart;
  layout.argEnd = stack.argEnd;
  layout.envStart = stack.envStart;
  layout.envEnd = stack.envEnd;
}

/** Puts what the platform left mapped into the map. */
function addVdso(mm: MemoryManager): void {
  const { vdso, vvar } = mm.addressSpace.layout;
  if (vvar !== null)
    mm.vmas.insert(
      new Vma(
        vvar.start,
        vvar.end,
        VM_READ | VM_MAYREAD | VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_PFNMAP,
        null,
        null,
        0,
        '[vvar]',
      ),
    );
  if (vdso !== null)
    mm.vmas.insert(
      new Vma(
        vdso.start,
        vdso.end,
        VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND,
        null,
        null,
        0,
        '[vdso]',
      ),
    );
}
