// SPDX-License-Identifier: Apache-2.0

/**
 * FPU and vector state of stopped threads through NT_X86_XSTATE: the standard (non-compacted) XSAVE image.
 *
 * Linux:      arch/x86/kernel/fpu/regset.c, xstate.c
 * Invariants: the host refuses (EINVAL) reserved header bits, unsupported features and MXCSR bits, so a hostile image cannot fault us.
 */
import { EINVAL } from '../abi/linux/errno.ts';
import { NT_X86_XSTATE, PTRACE_GETREGSET, PTRACE_SETREGSET } from '../abi/linux/ptrace.ts';
import { allocateNative, defineCode } from '../ffi/native.ts';
import type { NativeMemory } from '../ffi/native.ts';
import { ptrace } from '../ffi/ptrace.ts';

const MAX_XSAVE = 16384;
const LEGACY_SIZE = 512;
/** xstate_bv, xcomp_bv, reserved. */
const HEADER_SIZE = 64;
const FEATURES_X87_SSE = 3;
const FEATURE_PKRU_HIGH_BYTE = 1; // offset in xstate_bv of the byte holding bit 9
const FEATURE_PKRU_BIT = 2;
const DEFAULT_FCW = 0x37f;
const DEFAULT_MXCSR = 0x1f80;
/** Offset of the enabled-features mask the kernel leaves in the software area. */
const SW_FEATURES = 464;

const TILE_DATA = 18;
const FEATURE_TILE_DATA = 1 << TILE_DATA;

/** cpuid leaf 0xd: where a component is in the standard format. push rbx; mov eax,0xd; mov ecx,edi; cpuid; mov eax,ebx; pop rbx; ret */
function componentOffset(feature: number): number {
  const code = [0x53, 0xb8, 0x0d, 0, 0, 0, 0x89, 0xf9, 0x0f, 0xa2, 0x89, 0xd8, 0x5b, 0xc3];
  return defineCode<(feature: number) => number>(code, 'i')(feature);
}

export class FpState {
  /** Bytes of an image: all features but those a process must first ask for (AMX tiles), as in a signal frame. */
  size = 0;
  /** Enabled features (XCR0, low 32 bits) without those. */
  features = 0;
  /** Bytes the host's register set has, dynamic features included. */
  private fullSize = 0;
  private readonly image: NativeMemory = allocateNative(MAX_XSAVE);
  private readonly iov: NativeMemory = allocateNative(16);
  private view: Uint8Array = new Uint8Array(0);
  private fresh: Uint8Array = new Uint8Array(0);

  /** Learns size and features from a stopped thread, and makes the image execve leaves. Returns 0 or a negative errno. */
  init(tid: number): number {
    const r = this.fetch(tid, MAX_XSAVE);
    if (r < 0) return r;
    this.fullSize = this.iov.u32[2] as number;
    const features = this.image.u32[SW_FEATURES / 4] as number;
    this.size =
      (features & FEATURE_TILE_DATA) === 0 ? this.fullSize : Math.min(componentOffset(TILE_DATA), this.fullSize);
    this.features = features & ~FEATURE_TILE_DATA;
    this.view = this.image.bytes.subarray(0, this.size);
    const fresh = Uint8Array.from(this.view);
    const hasPkru = (fresh[LEGACY_SIZE + FEATURE_PKRU_HIGH_BYTE] as number) & FEATURE_PKRU_BIT;
    fresh.fill(0, 0, LEGACY_SIZE + HEADER_SIZE);
    const words = new DataView(fresh.buffer);
    words.setUint16(0, DEFAULT_FCW, true);
    words.setUint32(24, DEFAULT_MXCSR, true);
    // Memory protection keys keep the host's default rights (all but key 0 closed), as execve does.
    words.setUint32(LEGACY_SIZE, FEATURES_X87_SSE | (hasPkru << 8), true);
    this.fresh = fresh;
    return 0;
  }

  private setIov(length: number): void {
    this.iov.u32[0] = this.image.addr % 4294967296;
    this.iov.u32[1] = Math.floor(this.image.addr / 4294967296);
    this.iov.u32[2] = length;
    this.iov.u32[3] = 0;
  }

  private fetch(tid: number, length: number): number {
    this.setIov(length);
    return ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, this.iov.addr);
  }

  private store(tid: number): number {
    this.image.bytes.fill(0, this.size, this.fullSize);
    this.setIov(this.fullSize);
    return ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, this.iov.addr);
  }

  /** The image of a stopped thread; valid until the next call. */
  get(tid: number): Uint8Array {
    this.fetch(tid, this.size);
    return this.view;
  }

  /** Installs an image of at least 512 bytes (without a header: x87 and SSE only). Returns 0 or EINVAL. */
  set(tid: number, image: Uint8Array): number {
    const length = Math.min(image.length, this.size);
    if (image !== this.view) this.view.set(image.subarray(0, length));
    this.view.fill(0, length);
    if (length < LEGACY_SIZE + HEADER_SIZE) {
      this.view.fill(0, LEGACY_SIZE);
      this.view[LEGACY_SIZE] = FEATURES_X87_SSE;
    }
    return this.store(tid) < 0 ? EINVAL : 0;
  }

  /** What execve leaves. */
  reset(tid: number): void {
    this.view.set(this.fresh);
    this.store(tid);
  }

  /** Copies one stopped thread's state to another. */
  copy(fromTid: number, toTid: number): void {
    this.fetch(fromTid, this.size);
    this.store(toTid);
  }
}
