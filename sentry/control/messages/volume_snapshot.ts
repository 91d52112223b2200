// SPDX-License-Identifier: Apache-2.0

/**
 * A memfs Volume as a tree that msgpack can carry: how files get into a sandbox and results back to the embedding program.
 *
 * Invariants: hard links stay linked (nodes are listed once and referred to by index). An import checks everything it is given: it
 *             may come from a sandbox.
 */
import { EINVAL, type Errno } from '../../../platform/abi/linux/errno.ts';

/** The part of memfs' Node that is used here. */
export interface VolumeNode {
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  nlink: number;
  symlink: string;
  mtime: Date;
  atime: Date;
  getBuffer(): Uint8Array;
  setBuffer(bytes: Uint8Array): void;
}

/** The part of memfs' Link that is used here. */
export interface VolumeLink {
  readonly children: Map<string, VolumeLink | undefined>;
  getNode(): VolumeNode;
  getName(): string;
  createChild(name: string, node: VolumeNode): VolumeLink;
  deleteChild(link: VolumeLink): void;
}

/** The part of a memfs Volume that is used here. */
export interface MemfsVolume {
  readonly _core: {
    readonly root: VolumeLink;
    createNode(mode: number): VolumeNode;
    deleteNode(node: VolumeNode): void;
  };
}

/** [mode, uid, gid, rdev, mtime in ms, content]: bytes, link text, or a directory's [name, node index] pairs. */
export type NodeRecord = [number, number, number, number, number, Uint8Array | string | [string, number][]];

/** Nodes of a volume; the first is the root directory. */
export type VolumeSnapshot = NodeRecord[];

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const NODES_MAX = 1_000_000;
const DEPTH_MAX = 2048;

/** Reads a whole volume. */
export function exportVolume(volume: MemfsVolume): VolumeSnapshot {
  const out: VolumeSnapshot = [];
  const seen = new Map<VolumeNode, number>();
  const add = (link: VolumeLink): number => {
    const node = link.getNode();
    const known = seen.get(node);
    if (known !== undefined) return known;
    const index = out.length;
    seen.set(node, index);
    const record: NodeRecord = [node.mode, node.uid, node.gid, node.rdev, node.mtime.getTime(), ''];
    out.push(record);
    const type = node.mode & S_IFMT;
    if (type === S_IFREG) record[5] = node.getBuffer();
    else if (type === S_IFLNK) record[5] = node.symlink;
    else if (type === S_IFDIR) record[5] = entriesOf(link, add);
    return index;
  };
  add(volume._core.root);
  return out;
}

function entriesOf(dir: VolumeLink, add: (link: VolumeLink) => number): [string, number][] {
  const entries: [string, number][] = [];
  for (const [name, child] of dir.children) {
    if (name !== '.' && name !== '..' && child !== undefined) entries.push([name, add(child)]);
  }
  return entries;
}

function isRecord(value: unknown): value is NodeRecord {
  if (!Array.isArray(value) || value.length !== 6) return false;
  for (let i = 0; i < 4; i++) if (!Number.isInteger(value[i]) || value[i] < 0 || value[i] > 0xffffffff) return false;
  if (typeof value[4] !== 'number' || !Number.isFinite(value[4])) return false;
  const type = value[0] & S_IFMT;
  if (type === S_IFDIR) return Array.isArray(value[5]);
  return type === S_IFREG ? value[5] instanceof Uint8Array : typeof value[5] === 'string';
}

/**
 * Makes a volume's content that of the snapshot, replacing what was there. Returns 0, or EINVAL for a malformed snapshot (the volume
 * is then empty or incomplete).
 */
export function importVolume(volume: MemfsVolume, snapshot: unknown): 0 | Errno {
  if (!Array.isArray(snapshot) || snapshot.length === 0 || snapshot.length > NODES_MAX || !snapshot.every(isRecord))
    return EINVAL;
  const records = snapshot as VolumeSnapshot;
  const root = volume._core.root;
  if (((records[0] as NodeRecord)[0] & S_IFMT) !== S_IFDIR) return EINVAL;
  emptyDirectory(volume, root);
  const made = new Map<number, VolumeNode>();
  applyAttributes(root.getNode(), records[0] as NodeRecord);
  made.set(0, root.getNode());
  return fillDirectory(volume, records, made, root, records[0] as NodeRecord, 0);
}

function applyAttributes(node: VolumeNode, record: NodeRecord): void {
  node.mode = record[0];
  node.uid = record[1];
  node.gid = record[2];
  node.rdev = record[3];
  node.mtime = new Date(record[4]);
}

function fillDirectory(
  volume: MemfsVolume,
  records: VolumeSnapshot,
  made: Map<number, VolumeNode>,
  dir: VolumeLink,
  record: NodeRecord,
  depth: number,
): 0 | Errno {
  if (depth > DEPTH_MAX) return EINVAL;
  for (const entry of record[5] as [string, number][]) {
    if (!Array.isArray(entry)) return EINVAL;
    const [name, index] = entry;
    const child = records[index];
    if (typeof name !== 'string' || name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) return EINVAL;
    if (child === undefined || dir.children.has(name)) return EINVAL;
    const isDirectory = (child[0] & S_IFMT) === S_IFDIR;
    const known = made.get(index);
    if (known !== undefined) {
      // A directory has one name; a file may have several.
      if (isDirectory) return EINVAL;
      known.nlink++;
      dir.createChild(name, known);
      continue;
    }
    const node = volume._core.createNode(child[0]);
    made.set(index, node);
    const link = dir.createChild(name, node);
    if (child[5] instanceof Uint8Array) node.setBuffer(child[5]);
    else if (typeof child[5] === 'string') node.symlink = child[5];
    if (isDirectory) {
      const err = fillDirectory(volume, records, made, link, child, depth + 1);
      if (err !== 0) return err;
    }
    applyAttributes(node, child);
  }
  return 0;
}

/** Removes everything in a directory. */
function emptyDirectory(volume: MemfsVolume, dir: VolumeLink): void {
  for (const [name, child] of [...dir.children]) {
    if (name === '.' || name === '..' || child === undefined) continue;
    if ((child.getNode().mode & S_IFMT) === S_IFDIR) emptyDirectory(volume, child);
    dir.deleteChild(child);
    const node = child.getNode();
    if (--node.nlink <= 0) volume._core.deleteNode(node);
  }
}
