// SPDX-License-Identifier: Apache-2.0

/**
 * UrgentMark: where TCP's urgent byte is in the stream of a receiver, and whether it was taken by MSG_OOB.
 *
 * Linux:      net/ipv4/tcp_input.c (tcp_check_urg, tcp_urg), net/ipv4/tcp.c (tcp_recv_urg)
 * Invariants: positions count from the first byte received; `at` means something unless state is 'none'.
 */
export class UrgentMark {
  state: 'none' | 'waiting' | 'taken' = 'none';
  /** Position of the byte in the stream. */
  at = 0;
  byte = 0;

  get isSet(): boolean {
    return this.state !== 'none';
  }
  set(at: number, byte: number): void {
    this.state = 'waiting';
    this.at = at;
    this.byte = byte;
  }
  /** The reader has come to `position`: a mark behind it is none. */
  passed(position: number): void {
    if (this.isSet && position > this.at) this.state = 'none';
  }
}
