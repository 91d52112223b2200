// SPDX-License-Identifier: Apache-2.0

/**
 * root, mounts, masked and read-only paths, devices, sysctl (runtime-tools: mounts, root_readonly_true, linux_masked_paths,
 * linux_readonly_paths, linux_devices, linux_sysctl, default; runc's bats: mounts, mask, root, dev, run).
 */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../world.ts';

export const mountCases: readonly Case[] = [
  {
    name: 'a read-only root, a writable one: writes reach the bundle',
    run: (w) => {
      w.script('touch /x 2>&1; echo $?', (c) => {
        c.root.readonly = true;
      });
      w.runAndNote();
      w.script('touch /x; echo $?');
      w.runAndNote();
      w.note(`in the bundle: ${existsSync(join(w.rootfs, 'x'))}`);
    },
    expect: ['touch: /x: Read-only file system', '1', '0', 'in the bundle: true'],
  },
  {
    name: 'bind mounts: directories and files, read-only and writable, in order',
    run: (w) => {
      mkdirSync(join(w.directory, 'data/deep'), { recursive: true });
      writeFileSync(join(w.directory, 'data/f'), 'content\n');
      w.script('cat /a/f /one/file; touch /a/new; touch /b/no 2>&1; ls /a; echo more >> /one/file 2>/dev/null; echo $?', (c) => {
        c.mounts.push(
          { destination: '/a', type: 'bind', source: join(w.directory, 'data'), options: ['rbind', 'rw'] },
          { destination: '/b', type: 'bind', source: 'data', options: ['bind', 'ro'] },
          { destination: '/one/file', source: join(w.directory, 'data/f'), options: ['bind', 'ro'] },
        );
      });
      w.runAndNote();
      w.note(`new: ${existsSync(join(w.directory, 'data/new'))}`);
    },
    expect: ['content', 'content', 'touch: /b/no: Read-only file system', 'deep', 'f', 'new', '1', 'new: true'],
  },
  {
    name: 'mountinfo shows where on the host a bind mount comes from, and a mount of a part of it',
    run: (w) => {
      mkdirSync(join(w.directory, 'data/deep'), { recursive: true });
      writeFileSync(join(w.directory, 'data/f'), '');
      symlinkSync('data', join(w.directory, 'link'));
      w.script(`mount --bind /a/deep /tmp; awk '$5 ~ "^/(a|tmp|one|l)$" { print $4, $5 }' /proc/self/mountinfo | grep -o '/data.*' | sort`, (c) => {
        for (const kind of ['bounding', 'effective', 'permitted']) c.process.capabilities[kind].push('CAP_SYS_ADMIN');
        c.mounts.push(
          { destination: '/a', type: 'bind', source: join(w.directory, 'data'), options: ['rbind'] },
          { destination: '/one', source: join(w.directory, 'data/f'), options: ['bind'] },
          { destination: '/l', source: 'link', options: ['bind'] },
        );
      });
      w.runAndNote();
    },
    expect: ['/data /a', '/data /l', '/data/deep /tmp', '/data/f /one'],
  },
  {
    name: 'tmpfs: options, size, the permissions of the mount point, tmpcopyup',
    run: (w) => {
      mkdirSync(join(w.rootfs, 'under/sub'), { recursive: true });
      writeFileSync(join(w.rootfs, 'under/sub/f'), 'copied\n');
      w.script('stat -c %a /m1 /m2; cat /under/sub/f; dd if=/dev/zero of=/m1/x bs=1024 count=100 2>/dev/null; echo $?; touch /ro/x 2>&1; grep " /m1 " /proc/mounts | grep -o nosuid', (c) => {
        c.mounts.push(
          { destination: '/m1', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=64k', 'mode=0750'] },
          { destination: '/m2', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777'] },
          { destination: '/under', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup'] },
          { destination: '/ro', type: 'tmpfs', source: 'tmpfs', options: ['ro'] },
        );
      });
      w.runAndNote();
    },
    expect: ['750', '1777', 'copied', '1', 'touch: /ro/x: Read-only file system', 'nosuid'],
  },
  {
    name: 'the default filesystems are there',
    run: (w) => {
      w.script('awk \'{print $2, $3}\' /proc/mounts | grep -E "^/(proc|dev|dev/pts|dev/shm|dev/mqueue|sys) " | sort');
      w.runAndNote();
    },
    expect: ['/dev tmpfs', '/dev/mqueue mqueue', '/dev/pts devpts', '/dev/shm tmpfs', '/proc proc', '/sys sysfs'],
  },
  {
    name: 'a read-only /dev holds mounts all the same',
    run: (w) => {
      w.script('touch /dev/x 2>&1; touch /dev/shm/x && echo ok', (c) => {
        c.mounts[1].options.push('ro');
      });
      w.runAndNote();
    },
    expect: ['touch: /dev/x: Read-only file system', 'ok'],
  },
  {
    name: '/proc through a symbolic link is refused',
    run: (w) => {
      w.script('true', (c) => {
        c.root.path = 'other';
      });
      mkdirSync(join(w.directory, 'other/bin'), { recursive: true });
      const link = join(w.directory, 'other/proc');
      symlinkSync('/symlink', link);
      w.says(w.detached('create', 'c'), 'must be mounted on ordinary directory');
    },
    expect: ['1 must be mounted on ordinary directory'],
  },
  {
    name: 'masked paths: empty to read, not to be written; read-only paths',
    run: (w) => {
      mkdirSync(join(w.rootfs, 'dir'));
      writeFileSync(join(w.rootfs, 'dir/f'), 'secret\n');
      writeFileSync(join(w.rootfs, 'file'), 'secret\n');
      mkdirSync(join(w.rootfs, 'fixed'));
      w.script('ls /dir; cat /file; touch /dir/x 2>&1; rm -rf /dir/x; touch /fixed/x 2>&1; echo 1 > /proc/sys/kernel/domainname 2>/dev/null; echo $?; ls -d /dir /file', (c) => {
        c.linux.maskedPaths = ['/dir', '/file', '/not/there'];
        c.linux.readonlyPaths = ['/fixed', '/proc/sys', '/not/there'];
      });
      w.runAndNote();
    },
    expect: ['touch: /dir/x: Read-only file system', 'touch: /fixed/x: Read-only file system', '1', '/dir', '/file'],
  },
  {
    name: 'devices: those of every container, and those of the configuration',
    needsRoot: true,
    run: (w) => {
      w.script('cd /dev; stat -c "%n %F %t:%T %a" null zero full random urandom tty; for l in fd stdin stdout stderr ptmx; do readlink $l; done; stat -c "%n %F %t:%T %a %u:%g" mine pipe', (c) => {
        c.linux.devices = [{ path: '/dev/mine', type: 'c', major: 1, minor: 11, fileMode: 0o640, uid: 3, gid: 4 }, { path: '/dev/pipe', type: 'p', fileMode: 0o600 }];
      });
      w.runAndNote();
    },
    expect: [
      'null character special file 1:3 666', 'zero character special file 1:5 666', 'full character special file 1:7 666', 'random character special file 1:8 666', 'urandom character special file 1:9 666', 'tty character special file 5:0 666',
      '/proc/self/fd', '/proc/self/fd/0', '/proc/self/fd/1', '/proc/self/fd/2', 'pts/ptmx', 'mine character special file 1:b 640 3:4', 'pipe fifo 0:0 600 0:0',
    ],
  },
  {
    name: 'device rules: denied by default, the usual ones allowed',
    needsRoot: true,
    needsCgroup: 'devices',
    run: (w) => {
      w.script('cat /dev/null && echo null; head -c 1 /dev/zero | wc -c; head -c 1 /dev/kmsg 2>&1 | head -1; mknod /tmp/d c 1 3 && echo made', (c) => {
        c.linux.devices = [{ path: '/dev/kmsg', type: 'c', major: 1, minor: 11 }];
        for (const set of Object.values(c.process.capabilities) as string[][]) set.push('CAP_MKNOD', 'CAP_SYSLOG');
        c.linux.cgroupsPath = `/oci-conformance-${process.pid}-${w.runtime.name}`;
      });
      w.runAndNote();
    },
    expect: ['null', '1', 'head: /dev/kmsg: Operation not permitted', 'made'],
  },
  {
    name: 'sysctl of the container',
    run: (w) => {
      const settings = { 'kernel.shmmax': '12345678', 'net.ipv4.ip_forward': '1', 'kernel.shm_rmid_forced': '1', 'kernel.msgmax': '9999', 'kernel.sem': '250\t32000\t100\t99', 'fs.mqueue.msg_max': '77', 'net.core.somaxconn': '55', 'net.ipv4.ip_default_ttl': '44' };
      w.configure(['cat', ...Object.keys(settings).map((key) => `/proc/sys/${key.replaceAll('.', '/')}`)], (c) => {
        c.linux.sysctl = settings;
      });
      w.runAndNote();
    },
    expect: ['12345678', '1', '1', '9999', '250\t32000\t100\t99', '77', '55', '44'],
  },
  {
    name: 'mounts that cannot be are refused',
    run: (w) => {
      for (const mount of [{ destination: '/x', type: 'bind', source: '/nosuch', options: ['bind'] }, { destination: '/x', type: 'nosuchfs', source: 'x' }]) {
        w.configure(['true'], (c) => c.mounts.push(mount));
        w.note(`${w.detached('create', 'c').status}`);
      }
    },
    expect: ['1', '1'],
  },
];
