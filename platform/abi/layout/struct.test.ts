// SPDX-License-Identifier: Apache-2.0

/**
 * struct() owes: the C compiler's sizes and offsets for every declared structure; values that survive write and read; load-time errors
 * for implicit padding and wrong sizes.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as file from '../linux/layouts/file.ts';
import * as proc from '../linux/layouts/process.ts';
import * as sock from '../linux/layouts/socket.ts';
import * as term from '../linux/layouts/terminal.ts';
import * as time from '../linux/layouts/time.ts';
import { array, bytes, i64, pad, struct, u16, u16be, u32, u64, u64big, u8 } from './struct.ts';

interface AnyLayout {
  kind: 'struct';
  name: string;
  size: number;
  offset: Record<string, number>;
}

/** C spelling of structures that libc names otherwise or not at all. */
const C_TYPE: Record<string, string> = {
  kernel_sigaction: 'struct kernel_sigaction_',
  stack_t: 'stack_t',
  siginfo_kill: 'siginfo_t',
  siginfo_fault: 'siginfo_t',
  siginfo_child: 'siginfo_t',
  siginfo_timer: 'siginfo_t',
  kernel_termios: 'struct ktermios_',
  kernel_termios2: 'struct ktermios2_',
  kernel_termio: 'struct termio',
  linux_dirent64: '',
  linux_dirent: '',
  rseq: '',
  _fpx_sw_bytes: 'struct _fpx_sw_bytes',
  epoll_event: 'struct epoll_event',
};
/** Fields with another name in C, or none. */
const C_FIELD: Record<string, string> = {
  'epoll_event.data_lo': 'data',
  'epoll_event.data_hi': '',
  'sock_filter.code_jt_jf': 'code',
  'robust_list_head.list_next': 'list',
  'sigevent.sigev_notify_thread_id': '_sigev_un._tid',
  'utsname.domainname': 'domainname',
  '_fpx_sw_bytes.xfeatures': 'xstate_bv',
  '_fpx_sw_bytes.padding': '__glibc_reserved1',
};

const PROLOGUE = `
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <signal.h>
#include <time.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <poll.h>
#include <fcntl.h>
#include <utime.h>
#include <sched.h>
#include <netinet/in.h>
#include <linux/sched.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/if_packet.h>
struct kernel_sigaction_ { unsigned long sa_handler_; unsigned long sa_flags_; unsigned long sa_restorer_; unsigned long sa_mask_; };
struct ktermios_ { unsigned c_iflag, c_oflag, c_cflag, c_lflag; unsigned char c_line, c_cc[19]; };
struct ktermios2_ { unsigned c_iflag, c_oflag, c_cflag, c_lflag; unsigned char c_line, c_cc[19]; unsigned c_ispeed, c_ospeed; };
#define SIZE(n, t) printf("%s %zu\\n", n, sizeof(t));
#define OFFSET(n, t, f) printf("%s %zu\\n", n, offsetof(t, f));
int main(void) {
`;

function layouts(): AnyLayout[] {
  return [file, proc, sock, term, time]
    .flatMap((m) => Object.values(m as Record<string, unknown>))
    .filter((v): v is AnyLayout => (v as AnyLayout)?.kind === 'struct');
}

describe('struct()', () => {
  it.runIf(existsSync('/usr/bin/gcc') && existsSync('/usr/include/stdio.h'))(
    'agrees with the C compiler on every declared size and offset',
    () => {
      const lines: string[] = [];
      const expected = new Map<string, number>();
      for (const layout of layouts()) {
        const type = C_TYPE[layout.name] ?? `struct ${layout.name}`;
        if (type === '') continue;
        lines.push(`SIZE("${layout.name}", ${type})`);
        expected.set(layout.name, layout.size);
        for (const [field, offset] of Object.entries(layout.offset)) {
          const key = `${layout.name}.${field}`;
          const own = layout.name === 'kernel_sigaction' ? `${field}_` : field;
          const c = C_FIELD[key] ?? own;
          if (c === '' || c.startsWith('__') || /^(nl_pad|f_spare|sin_zero)$/.test(c)) continue;
          lines.push(`OFFSET("${key}", ${type}, ${c})`);
          expected.set(key, offset);
        }
      }
      const dir = mkdtempSync(join(tmpdir(), 'layout-'));
      try {
        writeFileSync(join(dir, 'a.c'), `${PROLOGUE}${lines.join('\n')}\nreturn 0; }\n`);
        execFileSync('gcc', ['-o', join(dir, 'a'), join(dir, 'a.c')]);
        const seen = new Map(
          execFileSync(join(dir, 'a'), { encoding: 'utf8' })
            .trim()
            .split('\n')
            .map((l) => [l.split(' ')[0] as string, Number(l.split(' ')[1])]),
        );
        expect(Object.fromEntries(expected)).toEqual(Object.fromEntries(seen));
        expect(seen.size).toBeGreaterThan(200);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  );

  it('read() returns what write() wrote, and padding is zeroed', () => {
    const Inner = struct('inner', { a: u8, b: u8, c: u16 }, { size: 4 });
    const Outer = struct(
      'outer',
      { x: u32, in: Inner, big: u64big, n: i64, u: u64, port: u16be, __p: pad(2), raw: bytes(4), list: array(u16, 4) },
      { size: 48 },
    );
    const view = new DataView(new ArrayBuffer(64));
    new Uint8Array(view.buffer).fill(255);
    const value = {
      x: 4000000000,
      in: { a: 1, b: 255, c: 65535 },
      big: 0xffffffffffffffffn,
      n: -5,
      u: 2 ** 52 + 1,
      port: 8080,
      raw: Uint8Array.of(1, 2, 3, 4),
      list: [1, 2, 3, 4],
    };
    Outer.write(view, 8, value);
    const seen = Outer.read(view, 8);
    expect({ ...seen, big: BigInt.asUintN(64, seen.big) }).toEqual(value);
    expect(view.getUint16(8 + Outer.offset.__p, true)).toBe(0);
    expect(view.getUint8(8 + Outer.offset.port)).toBe(8080 >> 8);
    expect([view.getUint8(7), view.getUint8(56)]).toEqual([255, 255]);
  });

  it('refuses implicit padding and a wrong size', () => {
    expect(() => struct('bad', { a: u8, b: u32 }, { size: 8 })).toThrow('needs padding');
    expect(() => struct('bad', { a: u32 }, { size: 8 })).toThrow('expected 8');
  });
});
