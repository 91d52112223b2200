// SPDX-License-Identifier: Apache-2.0

/**
 * NETLINK_GENERIC: the controller, which knows no family but itself.
 *
 * Linux: net/netlink/genetlink.c (ctrl_getfamily, ctrl_dumpfamily)
 */
import { EINVAL, ENOENT, EOPNOTSUPP } from '../../../platform/abi/linux/errno.ts';
import { NLM_F_DUMP } from '../../../platform/abi/linux/socket.ts';
import { packetsOf } from './netlink_dump.ts';
import { BodyWriter, type MessageHeader, messageOf, readAttributes } from './netlink_message.ts';

const GENL_ID_CTRL = 16;
const CTRL_CMD_NEWFAMILY = 1;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_VERSION = 3;
const CTRL_ATTR_HDRSIZE = 4;
const CTRL_ATTR_MAXATTR = 5;
const VERSION = 2;
const MAXATTR = 10;
const NAME = 'nlctrl';
/** sizeof(struct genlmsghdr) */
const GENLMSGHDR = 4;

function controller(): Buffer {
  return new BodyWriter()
    .raw(Buffer.of(CTRL_CMD_NEWFAMILY, VERSION, 0, 0))
    .text(CTRL_ATTR_FAMILY_NAME, NAME)
    .attribute(CTRL_ATTR_FAMILY_ID, Buffer.of(GENL_ID_CTRL, 0))
    .u32(CTRL_ATTR_VERSION, VERSION)
    .u32(CTRL_ATTR_HDRSIZE, 0)
    .u32(CTRL_ATTR_MAXATTR, MAXATTR)
    .body();
}

/** Errors: ENOENT (no such family), EOPNOTSUPP (no such command), EINVAL. */
export function answerGeneric(header: MessageHeader, body: Buffer, port: number): Buffer[] | number {
  if (header.type !== GENL_ID_CTRL) return ENOENT;
  if (body.length < GENLMSGHDR) return EINVAL;
  if (body[0] !== CTRL_CMD_GETFAMILY) return EOPNOTSUPP;
  if ((header.flags & NLM_F_DUMP) !== 0) return packetsOf(GENL_ID_CTRL, [controller()], header.sequence, port);
  const attributes = readAttributes(body.subarray(GENLMSGHDR));
  const name = attributes.get(CTRL_ATTR_FAMILY_NAME)?.toString('latin1').split('\0', 1)[0];
  const id = attributes.get(CTRL_ATTR_FAMILY_ID);
  if (name === undefined && id === undefined) return EINVAL;
  const isController = name === NAME || (id !== undefined && id.length >= 2 && id.readUInt16LE(0) === GENL_ID_CTRL);
  return isController ? [messageOf(GENL_ID_CTRL, 0, header.sequence, port, controller())] : ENOENT;
}
