// SPDX-License-Identifier: Apache-2.0

/**
 * Bounds the controls held at the Gofer: the least recently used one that can be found again by name is let go.
 */

/** Something that holds a control and can find it again. */
export interface ControlHolder {
  /** True when the control may go: the file can be walked to again. */
  readonly canDropControl: boolean;
  dropControl(): void;
}

export class ControlCache {
  limit = 4096;
  private readonly holders = new Map<number, ControlHolder>();

  get size(): number {
    return this.holders.size;
  }

  /** Notes that `control` is held by `holder` (and most recently used); lets older ones go when there are too many. */
  add(control: number, holder: ControlHolder): void {
    this.holders.set(control, holder);
    if (this.holders.size > this.limit) this.shrink();
  }

  /** Marks a control as just used. */
  touch(control: number): void {
    const holder = this.holders.get(control);
    if (holder === undefined) return;
    this.holders.delete(control);
    this.holders.set(control, holder);
  }

  remove(control: number): void {
    this.holders.delete(control);
  }

  private shrink(): void {
    let scan = 64;
    for (const [control, holder] of this.holders) {
      if (--scan < 0) return;
      if (holder.canDropControl) {
        this.holders.delete(control);
        holder.dropControl();
        if (this.holders.size <= this.limit) return;
      } else {
        this.touch(control);
      }
    }
  }
}
