// SPDX-License-Identifier: Apache-2.0

/**
 * FsContext: root, working directory and umask, shared between tasks with CLONE_FS.
 *
 * Linux:      include/linux/fs_struct.h
 * Invariants: root and cwd pin their dentries and mounts (pathGet).
 */
import { type Path, pathGet, pathPut } from '../vfs/mount.ts';

export class FsContext {
  private rootPath: Path;
  private cwdPath: Path;
  umask: number;
  private users = 1;

  constructor(root: Path, cwd: Path, umask: number) {
    this.rootPath = root;
    this.cwdPath = cwd;
    this.umask = umask;
    pathGet(root);
    pathGet(cwd);
  }
  get root(): Path {
    return this.rootPath;
  }
  get cwd(): Path {
    return this.cwdPath;
  }
  setRoot(path: Path): void {
    pathGet(path);
    pathPut(this.rootPath);
    this.rootPath = path;
  }
  setCwd(path: Path): void {
    pathGet(path);
    pathPut(this.cwdPath);
    this.cwdPath = path;
  }
  clone(): FsContext {
    return new FsContext(this.rootPath, this.cwdPath, this.umask);
  }
  incUsers(): void {
    this.users++;
  }
  get userCount(): number {
    return this.users;
  }
  decUsers(): void {
    if (--this.users > 0) return;
    pathPut(this.rootPath);
    pathPut(this.cwdPath);
  }
}
