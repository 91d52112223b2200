// SPDX-License-Identifier: Apache-2.0

/**
 * What the sandbox's own network has counted, for /proc/net/snmp: kept here because sockets and /proc do not import each other.
 *
 * Linux: net/ipv4/proc.c, include/uapi/linux/snmp.h
 */
export const netCounters = {
  Ip: { InReceives: 0, InDelivers: 0, OutRequests: 0, OutTransmits: 0 },
  Icmp: {
    InMsgs: 0,
    InEchos: 0,
    InEchoReps: 0,
    InDestUnreachs: 0,
    OutMsgs: 0,
    OutEchos: 0,
    OutEchoReps: 0,
    OutDestUnreachs: 0,
  },
  Tcp: { ActiveOpens: 0, PassiveOpens: 0, AttemptFails: 0, EstabResets: 0, InSegs: 0, OutSegs: 0, OutRsts: 0 },
  Udp: { InDatagrams: 0, NoPorts: 0, InErrors: 0, OutDatagrams: 0, RcvbufErrors: 0 },
  /** Connections that are open now; set by TCP. */
  currEstab: (): number => 0,
};

/** A packet went through lo. */
export function countPacket(): void {
  const { Ip } = netCounters;
  Ip.InReceives++;
  Ip.InDelivers++;
  Ip.OutRequests++;
  Ip.OutTransmits++;
}
