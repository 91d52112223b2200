// SPDX-License-Identifier: Apache-2.0

/**
 * What rooms need of each other and may not import: handed over here.
 */
import { openFifo } from '../../sentry/kernel/pipe/pipe_file.ts';
import { PidFile } from '../../sentry/fs/anon/pidfd.ts';
import { openNamespaceOf } from '../../sentry/fs/proc/pid_ns.ts';
import { installPidfd } from '../../syscalls/process/pidfd.ts';
import { cgroupType } from '../../sentry/fs/cgroup/cgroup_filesystem.ts';
import { registerDevices, registerLoops } from '../../sentry/fs/dev/populate.ts';
import { devptsType } from '../../sentry/fs/devpts/devpts_filesystem.ts';
import { mqueueType } from '../../sentry/fs/mqueue/mqueue_filesystem.ts';
import { procType } from '../../sentry/fs/proc/proc_filesystem.ts';
import { sysType } from '../../sentry/fs/sys/sys_filesystem.ts';
import { hostProvider } from '../../sentry/net/host/host_family.ts';
import { inetProvider } from '../../sentry/net/inet/inet_provider.ts';
import { socketTables } from '../../sentry/net/inet/socket_tables.ts';
import { loopbackProvider } from '../../sentry/net/inet/inet_family.ts';
import { currentNet, netOf, withNetwork } from '../../sentry/net/net_namespace.ts';
import { network } from '../../sentry/net/netlink/network_view.ts';
import { allInterfaceFiles } from '../../sentry/net/netlink/interface_files.ts';
import { arpText } from '../../sentry/net/netlink/neighbour_messages.ts';
import { viewTexts } from '../../sentry/net/netlink/view_texts.ts';
import { netlinkFamily, netlinkText } from '../../sentry/net/netlink/netlink_socket.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX } from '../../platform/abi/linux/socket.ts';
import { packetFamily, packetText } from '../../sentry/net/packet/packet_family.ts';
import { socketFamilies } from '../../sentry/net/socket.ts';
import { interfaceTexts, procTexts } from '../../sentry/kernel/proc_texts.ts';
import { registerSysvTexts } from '../../sentry/kernel/ipc/sysv_text.ts';
import { openTun, TUN_MAJOR, TUN_MINOR } from '../../sentry/net/tun/tun_file.ts';
import { unixFamily, unixSocketsText } from '../../sentry/net/unix/unix_socket.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { tmpfsType } from '../../sentry/fs/tmpfs/tmpfs.ts';
import { cloneNamespace, translatePath } from '../../sentry/vfs/mount_tree.ts';

/** Registers filesystem types and devices, and fills in the kernel's hooks. */
export function wireKernel(kernel: Kernel): void {
  const { vfs, host } = kernel;
  vfs.registerType(tmpfsType(host));
  vfs.registerType(tmpfsType(host, 'ramfs'));
  vfs.registerType(mqueueType(kernel.ipcNs));
  vfs.registerType(procType(kernel));
  vfs.registerType(sysType(kernel));
  vfs.registerType(cgroupType(kernel));
  vfs.registerType(devptsType(kernel));
  socketFamilies.set(AF_UNIX, unixFamily);
  interfaceTexts.list = allInterfaceFiles;
  procTexts.set('net/unix', unixSocketsText);
  procTexts.set('net/netlink', netlinkText);
  socketFamilies.set(AF_NETLINK, netlinkFamily);
  socketFamilies.set(AF_PACKET, packetFamily);
  wireInternet(kernel);
  registerSysvTexts();
  vfs.fifoOpener = openFifo;
  registerDevices(vfs, kernel);
  registerLoops(vfs);
  vfs.devices.register(TUN_MAJOR, TUN_MINOR, 'misc', openTun);
  vfs.devices.policy = (ctx, ...use) => (ctx as Partial<Task>).threadGroup?.container.devicePolicy?.(...use) ?? true;
  kernel.installPidfd = installPidfd;
  kernel.openNamespaceOf = openNamespaceOf;
  kernel.pidfdTarget = (file) => (file instanceof PidFile ? file.threadGroup : null);
  kernel.copyMountNamespace = (_t, from, owner) => cloneNamespace(vfs, from, owner.parent === null ? null : owner);
  kernel.enterMountNamespace = (t, namespace) => {
    t.mountNs = namespace;
    const { fsContext } = t;
    fsContext.setRoot(translatePath(namespace, fsContext.root));
    fsContext.setCwd(translatePath(namespace, fsContext.cwd));
    namespace.copies = null;
  };
}

/** AF_INET and AF_INET6: the host's network, or a loopback interface inside the sandbox and nothing beyond it. */
function wireInternet(kernel: Kernel): void {
  const { host, platform } = kernel;
  const provider = host.network === undefined ? loopbackProvider : hostProvider(host.network, host.files, platform);
  network.view = provider.view;
  for (const family of [AF_INET, AF_INET6] as const) {
    const own = provider.family(family);
    // Another network namespace has a loopback interface of its own, whatever the sandbox's network is.
    const apart = loopbackProvider.family(family);
    socketFamilies.set(family, {
      create: (t, type, protocol) => (t.netNs.tag === 0 ? own : apart).create(t, type, protocol),
    });
  }
  inetProvider.rows = () => (currentNet.net === null ? provider : loopbackProvider).rows();
  for (const [name, text] of [...viewTexts, ...socketTables, ['arp', arpText], ['packet', packetText]] as [string, () => string][]) procTexts.set(`net/${name}`, (t) => withNetwork(netOf(t), text));
}
