// SPDX-License-Identifier: Apache-2.0

/**
 * Handlers about the connection itself: the handshake and forgetting controls.
 */
import { EPROTO } from '../../../platform/abi/linux/errno.ts';
import { FRAME_MAX, PROTOCOL_VERSION, ROOT_READONLY, ROOT_UDS, ROOT_UDS_BIND } from '../../protocol/constants.ts';
import { ATTR_SIZE } from '../../protocol/constants.ts';
import { readAttr } from '../../tree/controls.ts';
import type { Reply } from '../reply.ts';
import type { Session } from '../session.ts';

/** [version] -> version, frame size, most controls, [[control, flags, attr], ...]. Errors: EPROTO for another version. */
export function hello(session: Session, args: readonly unknown[], reply: Reply): number {
  if (args[2] !== PROTOCOL_VERSION) return EPROTO;
  const roots = [];
  for (const id of session.rootControls) {
    const place = session.controls.get(id);
    if (place === undefined) return EPROTO;
    const attr = Buffer.alloc(ATTR_SIZE);
    const r = readAttr(place.fd, attr, 0);
    if (r < 0) return r;
    roots.push([
      id,
      (place.root.isReadonly ? ROOT_READONLY : 0) |
        (place.root.allowsUds ? ROOT_UDS : 0) |
        (place.root.allowsBinding ? ROOT_UDS_BIND : 0),
      attr,
    ]);
  }
  reply.push(PROTOCOL_VERSION);
  reply.push(FRAME_MAX);
  reply.push(session.controls.limit);
  reply.push(roots);
  return 0;
}

/** [ids]: closes controls; roots stay. No reply is sent. */
export function forget(session: Session, args: readonly unknown[]): number {
  for (const id of args[2] as number[]) {
    if (!session.rootControls.includes(id)) session.controls.forget(id);
  }
  return 0;
}
