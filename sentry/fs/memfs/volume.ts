// SPDX-License-Identifier: Apache-2.0

/**
 * The part of memfs that is used here, as types: the package itself is loaded by whoever makes the Volume, and only then.
 */
import { type Errno, EILSEQ } from '../../../platform/abi/linux/errno.ts';
import type { ByteString } from '../../vfs/inode.ts';

export interface CoreNode {
  ino: number;
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  nlink: number;
  symlink: string;
  atime: Date;
  mtime: Date;
  ctime: Date;
  btime: Date;
  isDirectory(): boolean;
  getSize(): number;
  getBuffer(): Uint8Array;
  setBuffer(bytes: Uint8Array): void;
  read(buf: Uint8Array, off: number, len: number, pos: number): number;
  write(buf: Uint8Array, off: number, len: number, pos: number): number;
  truncate(len: number): void;
}

export interface CoreLink {
  readonly children: Map<string, CoreLink | undefined>;
  parent: CoreLink | undefined;
  name: string;
  getNode(): CoreNode;
  getName(): string;
  createChild(name: string, node: CoreNode): CoreLink;
  setChild(name: string, link: CoreLink): CoreLink;
  deleteChild(link: CoreLink): void;
  syncSteps(): void;
  steps: string[];
}

export interface MemfsVolume {
  readonly _core: {
    readonly root: CoreLink;
    createNode(mode: number): CoreNode;
    deleteNode(node: CoreNode): void;
  };
}

/** A name as memfs writes it. Errors: EILSEQ for bytes that are not UTF-8. */
export function toVolumeName(name: ByteString): string | Errno {
  let isAscii = true;
  for (let i = 0; i < name.length && isAscii; i++) isAscii = name.charCodeAt(i) < 0x80;
  if (isAscii) return name;
  const bytes = Buffer.from(name, 'latin1');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : EILSEQ;
}

/** A name of memfs' as the kernel writes it. */
export function fromVolumeName(name: string): ByteString {
  return Buffer.from(name, 'utf8').toString('latin1');
}
