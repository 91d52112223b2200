// SPDX-License-Identifier: Apache-2.0

/**
 * A Unix socket as sock_diag tells it.
 *
 * Linux: net/unix/diag.c, include/uapi/linux/unix_diag.h
 */
import { AF_UNIX } from '../../../platform/abi/linux/socket.ts';
import { BodyWriter } from '../netlink/netlink_message.ts';
import type { UnixSocket } from './unix_socket.ts';

const UDIAG_SHOW_NAME = 1;
const UDIAG_SHOW_PEER = 4;
const UDIAG_SHOW_RQLEN = 16;
const UDIAG_SHOW_UID = 64;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_RQLEN = 4;
const UNIX_DIAG_SHUTDOWN = 6;
const UNIX_DIAG_UID = 7;

/** struct unix_diag_msg and the attributes `show` asks for. */
export function unixBody(socket: UnixSocket, show: number): Buffer {
  const message = Buffer.alloc(16);
  message[0] = AF_UNIX;
  message[1] = socket.type;
  message[2] = socket.stateNumber;
  message.writeUInt32LE(socket.inode.ino >>> 0, 4);
  message.writeUInt32LE(socket.inode.ino >>> 0, 8);
  const writer = new BodyWriter().raw(message);
  const name = socket.boundAddress;
  if ((show & UDIAG_SHOW_NAME) !== 0 && name !== null) {
    const isPath = name[2] !== 0;
    writer.attribute(UNIX_DIAG_NAME, Buffer.from(name.subarray(2, isPath ? name.length - 1 : name.length)));
  }
  if ((show & UDIAG_SHOW_PEER) !== 0 && socket.peer !== null) writer.u32(UNIX_DIAG_PEER, socket.peer.inode.ino);
  if ((show & UDIAG_SHOW_RQLEN) !== 0) {
    const lengths = socket.isListening
      ? [socket.connectionsWaiting, socket.backlog]
      : [socket.queue.bytes, socket.charged];
    writer.attribute(UNIX_DIAG_RQLEN, Buffer.from(Uint32Array.from(lengths).buffer));
  }
  writer.u8(UNIX_DIAG_SHUTDOWN, socket.shutdownMask);
  if ((show & UDIAG_SHOW_UID) !== 0) writer.u32(UNIX_DIAG_UID, socket.creds.fsuid);
  return writer.body();
}
