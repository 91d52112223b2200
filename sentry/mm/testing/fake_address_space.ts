// SPDX-License-Identifier: Apache-2.0

/**
 * An AddressSpace for tests: memory is a map from page number to what the host would have there, with bytes on demand.
 */
import { EFAULT, ENAMETOOLONG, ENOMEM, type Errno } from '../../../platform/abi/linux/errno.ts';
import type {
  AddressLayout,
  AddressSpace,
  HostServices,
  MapOp,
  MapSharing,
  PlatformThread,
  UserMemory,
} from '../../../platform/platform.ts';
import { Registers } from '../../../platform/registers.ts';

export interface FakePage {
  prot: number;
  sharing: MapSharing;
  fd: number;
  offset: number;
  bytes: Uint8Array | null;
}

const PAGE = 4096;

export class FakeAddressSpace implements AddressSpace {
  readonly pages = new Map<number, FakePage>();
  readonly layout: AddressLayout;
  readonly hostPid = 0;
  readonly leader: PlatformThread;
  readonly memory: UserMemory;
  readonly calls: string[] = [];
  /** Contents of descriptors, for file mappings. */
  readonly files: Map<number, Uint8Array>;
  applies = 0;
  isReleased = false;

  constructor(layout?: Partial<AddressLayout>, files: Map<number, Uint8Array> = new Map()) {
    this.layout = { minAddr: 0x10000, maxAddr: 0x7ffffffff000, reserved: [], vdso: null, vvar: null, ...layout };
    this.files = files;
    this.leader = {
      registers: new Registers(),
      addressSpace: this,
      owner: null,
      isStopped: true,
    } as unknown as PlatformThread;
    this.memory = new FakeMemory(this);
  }

  map(
    addr: number,
    length: number,
    prot: number,
    sharing: MapSharing,
    fd: number,
    offset: number,
    flags: number,
  ): number {
    this.calls.push(`map ${addr.toString(16)} ${length.toString(16)} ${prot} ${sharing} ${fd} ${flags}`);
    for (let i = 0; i < length; i += PAGE)
      this.pages.set((addr + i) / PAGE, { prot, sharing, fd, offset: offset + i, bytes: null });
    return 0;
  }
  unmap(addr: number, length: number): number {
    this.calls.push(`unmap ${addr.toString(16)} ${length.toString(16)}`);
    if (length > 2 ** 36)
      for (const page of [...this.pages.keys()])
        if (page * PAGE >= addr && page * PAGE < addr + length) this.pages.delete(page);
    if (length <= 2 ** 36) for (let i = 0; i < length; i += PAGE) this.pages.delete((addr + i) / PAGE);
    return 0;
  }
  protect(addr: number, length: number, prot: number): number {
    this.calls.push(`protect ${addr.toString(16)} ${length.toString(16)} ${prot}`);
    for (let i = 0; i < length; i += PAGE) {
      const page = this.pages.get((addr + i) / PAGE);
      if (page === undefined) return ENOMEM;
      page.prot = prot;
    }
    return 0;
  }
  remap(addr: number, oldLength: number, newAddr: number, newLength: number, keepOld: boolean): number {
    this.calls.push(
      `remap ${addr.toString(16)} ${oldLength.toString(16)} ${newAddr.toString(16)} ${newLength.toString(16)} ${keepOld}`,
    );
    const first = this.pages.get(addr / PAGE);
    if (first === undefined) return EFAULT;
    const moved: FakePage[] = [];
    for (let i = 0; i < newLength; i += PAGE) {
      const old = i < oldLength ? this.pages.get((addr + i) / PAGE) : undefined;
      if (i < oldLength && old === undefined) return EFAULT;
      moved.push(old ?? { ...first, offset: first.offset + i, bytes: null });
    }
    if (newAddr === addr) {
      for (let i = newLength; i < oldLength; i += PAGE) this.pages.delete((addr + i) / PAGE);
    } else if (keepOld) {
      for (let i = 0; i < oldLength; i += PAGE) this.pages.set((addr + i) / PAGE, { ...moved[i / PAGE]!, bytes: null });
    } else for (let i = 0; i < oldLength; i += PAGE) this.pages.delete((addr + i) / PAGE);
    for (let i = 0; i < moved.length; i++) this.pages.set(newAddr / PAGE + i, moved[i]!);
    return 0;
  }
  advise(addr: number, length: number, advice: number): number {
    this.calls.push(`advise ${addr.toString(16)} ${length.toString(16)} ${advice}`);
    return 0;
  }
  sync(): number {
    return 0;
  }
  mincore(_addr: number, length: number, out: Uint8Array): number {
    out.fill(1, 0, length / PAGE);
    return 0;
  }
  apply(ops: readonly MapOp[]): number {
    this.applies++;
    for (const op of ops) {
      const result = this.applyOne(op);
      if (result < 0) return result;
    }
    return 0;
  }
  private applyOne(op: MapOp): number {
    switch (op.op) {
      case 'map':
        return this.map(op.addr, op.length, op.prot, op.sharing, op.fd, op.offset, op.flags);
      case 'unmap':
        return this.unmap(op.addr, op.length);
      case 'protect':
        return this.protect(op.addr, op.length, op.prot);
      case 'remap':
        return this.remap(op.addr, op.oldLength, op.newAddr, op.newLength, op.keepOld);
      default:
        return this.advise(op.addr, op.length, op.advice);
    }
  }
  fork(_from: PlatformThread): AddressSpace | Errno {
    const copy = new FakeAddressSpace(this.layout, this.files);
    for (const [page, what] of this.pages) copy.pages.set(page, { ...what, bytes: what.bytes?.slice() ?? null });
    return copy;
  }
  newThread(): PlatformThread | Errno {
    return ENOMEM;
  }
  sharedMemory(): number {
    return 0;
  }
  usage(out: Float64Array): number {
    out[0] = this.pages.size * PAGE;
    out[1] = 0;
    out[2] = out[0];
    return 0;
  }
  release(): void {
    this.isReleased = true;
  }

  /** The byte holder of an address, made on demand; null when not accessible. */
  byteAt(addr: number, needed: number): Uint8Array | null {
    const page = this.pages.get(Math.floor(addr / PAGE));
    if (page === undefined || (page.prot & needed) !== needed) return null;
    if (page.bytes === null) {
      page.bytes = new Uint8Array(PAGE);
      const content = this.files.get(page.fd);
      if (content !== undefined) page.bytes.set(content.subarray(page.offset, page.offset + PAGE));
    }
    return page.bytes;
  }
}

class FakeMemory implements UserMemory {
  private readonly space: FakeAddressSpace;
  constructor(space: FakeAddressSpace) {
    this.space = space;
  }
  copyIn(addr: number, dst: Uint8Array, offset: number, length: number): number {
    for (let i = 0; i < length; i++) {
      const bytes = this.space.byteAt(addr + i, 1);
      if (bytes === null) return i > 0 ? i : EFAULT;
      dst[offset + i] = bytes[(addr + i) % PAGE] as number;
    }
    return length;
  }
  copyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    return this.put(addr, src, offset, length, 2);
  }
  forceCopyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    return this.put(addr, src, offset, length, 0);
  }
  private put(addr: number, src: Uint8Array | null, offset: number, length: number, needed: number): number {
    for (let i = 0; i < length; i++) {
      const bytes = this.space.byteAt(addr + i, needed);
      if (bytes === null) return i > 0 ? i : EFAULT;
      bytes[(addr + i) % PAGE] = src === null ? 0 : (src[offset + i] as number);
    }
    return length;
  }
  zero(addr: number, length: number): number {
    return this.put(addr, null, 0, length, 2);
  }
  readCString(addr: number, maxBytes: number): string | Errno {
    let text = '';
    const one = new Uint8Array(1);
    for (let i = 0; i < maxBytes; i++) {
      if (this.copyIn(addr + i, one, 0, 1) < 0) return EFAULT;
      if (one[0] === 0) return text;
      text += String.fromCharCode(one[0] as number);
    }
    return ENAMETOOLONG;
  }
  readU32(addr: number): number {
    const buf = new Uint8Array(4);
    return this.copyIn(addr, buf, 0, 4) === 4 ? new DataView(buf.buffer).getUint32(0, true) : EFAULT;
  }
  readU64(addr: number): number {
    const buf = new Uint8Array(8);
    return this.copyIn(addr, buf, 0, 8) === 8 ? Number(new DataView(buf.buffer).getBigUint64(0, true)) : EFAULT;
  }
  writeU32(addr: number, value: number): number {
    const buf = new Uint8Array(4);
    new DataView(buf.buffer).setUint32(0, value >>> 0, true);
    return this.copyOut(addr, buf, 0, 4) === 4 ? 0 : EFAULT;
  }
  writeU64(addr: number, value: number): number {
    const buf = new Uint8Array(8);
    new DataView(buf.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
    return this.copyOut(addr, buf, 0, 8) === 8 ? 0 : EFAULT;
  }
  compareExchangeU32(addr: number, expected: number, desired: number): number {
    const found = this.readU32(addr);
    if (found === expected) this.writeU32(addr, desired);
    return found;
  }
}

/** Host services good enough for the memory manager: descriptors are numbers, random is a counter. */
export function fakeHost(): HostServices {
  let nextFd = 100;
  return {
    files: { memfdCreate: () => nextFd++, ftruncate: () => 0, close: () => 0 },
    info: { hwcap: 0xabc, hwcap2: 2, platformName: 'x86_64', memoryTotal: 2 ** 33 },
    random: (buf: Uint8Array) => {
      for (let i = 0; i < buf.length; i++) buf[i] = (i * 37 + 11) & 0xff;
    },
    log: () => {},
  } as unknown as HostServices;
}
