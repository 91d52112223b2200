// SPDX-License-Identifier: Apache-2.0

/**
 * What a task has read and written, for /proc/pid/io.
 *
 * Linux: include/linux/task_io_accounting.h
 */
export class IoCounters {
  readBytes = 0;
  writtenBytes = 0;
  reads = 0;
  writes = 0;

  /** Counts a read call that ended with `result`, and returns that. */
  read(result: number): number {
    this.reads++;
    if (result > 0) this.readBytes += result;
    return result;
  }
  /** Counts a write call that ended with `result`, and returns that. */
  wrote(result: number): number {
    this.writes++;
    if (result > 0) this.writtenBytes += result;
    return result;
  }
  add(other: IoCounters): void {
    this.readBytes += other.readBytes;
    this.writtenBytes += other.writtenBytes;
    this.reads += other.reads;
    this.writes += other.writes;
  }
  /** The text of /proc/pid/io. What reaches a disk is the host's affair. */
  text(): string {
    return `rchar: ${this.readBytes}\nwchar: ${this.writtenBytes}\nsyscr: ${this.reads}\nsyscw: ${this.writes}\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n`;
  }
}
