// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/net: texts of sockets and interfaces. What a socket family registered in procTexts is shown; the rest is the table
 * of a network with a loopback interface and nothing in it.
 *
 * Linux: net/core/net-procfs.c, net/ipv4/proc.c, net/ipv4/tcp_ipv4.c (tcp4_seq_show) and siblings
 */
import { netCounters } from '../../kernel/net_counters.ts';
import { procTexts } from '../../kernel/proc_texts.ts';
import type { Task } from '../../kernel/task.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import { GeneratedFileInode, StaticDirInode } from '../../vfs/pseudo_file.ts';

const DEV_HEAD =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';
const INET_HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const INET6_HEAD =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

/** Two lines, names and values, as in snmp and netstat. */
function counters(group: string, names: string, values: Record<string, number> = {}): string {
  return `${group}: ${names}\n${group}: ${names
    .split(' ')
    .map((name) => values[name] ?? 0)
    .join(' ')}\n`;
}

function snmpText(): string {
  const { Ip, Icmp, Tcp, Udp, currEstab } = netCounters;
  return (
    counters(
      'Ip',
      'Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits',
      { Forwarding: 2, DefaultTTL: 64, ...Ip },
    ) +
    counters(
      'Icmp',
      'InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps',
      Icmp,
    ) +
    counters(
      'Tcp',
      'RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors',
      { RtoAlgorithm: 1, RtoMin: 200, RtoMax: 120000, MaxConn: -1, CurrEstab: currEstab(), ...Tcp },
    ) +
    counters(
      'Udp',
      'InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors',
      Udp,
    ) +
    counters(
      'UdpLite',
      'InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors',
    )
  );
}

const NETSTAT =
  counters(
    'TcpExt',
    'SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks',
  ) +
  counters(
    'IpExt',
    'InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps',
  );

/** name to text when nobody registered one. */
const FILES: readonly (readonly [string, string | (() => string)])[] = [
  ['arp', 'IP address       HW type     Flags       HW address            Mask     Device\n'],
  [
    'dev',
    `${DEV_HEAD}    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n`,
  ],
  ['dev_mcast', ''],
  ['fib_trie', 'Main:\nLocal:\n'],
  ['if_inet6', '00000000000000000000000000000001 01 80 10 80       lo\n'],
  ['icmp', ` ${INET_HEAD} ref pointer drops\n`],
  ['icmp6', ` ${INET6_HEAD} ref pointer drops\n`],
  ['igmp', 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n'],
  ['ipv6_route', ''],
  ['netlink', 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n'],
  ['netstat', NETSTAT],
  ['packet', 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n'],
  [
    'protocols',
    'protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n',
  ],
  ['psched', '000003e8 00000040 000f4240 3b9aca00\n'],
  ['ptype', 'Type Device      Function\n0800          ip_rcv\n86dd          ipv6_rcv\n'],
  ['raw', `${INET_HEAD} ref pointer drops\n`],
  ['raw6', `${INET6_HEAD} ref pointer drops\n`],
  ['route', `${'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'.padEnd(127)}\n`],
  ['snmp', snmpText],
  ['snmp6', ''],
  [
    'sockstat',
    'sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n',
  ],
  ['sockstat6', 'TCP6: inuse 0\nUDP6: inuse 0\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n'],
  ['softnet_stat', ''],
  ['tcp', `${INET_HEAD.padEnd(149)}\n`],
  ['tcp6', `${INET6_HEAD}\n`],
  ['udp', ` ${INET_HEAD} ref pointer drops${' '.repeat(13)}\n`],
  ['udp6', ` ${INET6_HEAD} ref pointer drops\n`],
  ['udplite', ` ${INET_HEAD} ref pointer drops\n`],
  ['udplite6', ` ${INET6_HEAD} ref pointer drops\n`],
  ['unix', 'Num       RefCount Protocol Flags    Type St Inode Path\n'],
];

export function makeNetDir(fs: Filesystem): StaticDirInode {
  const dir = new StaticDirInode(fs);
  for (const [name, empty] of FILES)
    dir.add(
      name,
      new GeneratedFileInode(
        fs,
        (ctx) => procTexts.get(`net/${name}`)?.(ctx as Task) ?? (typeof empty === 'string' ? empty : empty()),
      ),
    );
  return dir;
}
