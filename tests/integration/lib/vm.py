#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Virtual machines: QEMU without KVM, Debian's own kernel as the guest, busybox as its userland.

    with Vm(Initramfs(Kernel(), ['virtio_net']), nics=[Nic(d.dir + '/web0.sock', '52:54:00:00:00:01', 'packed=on')]) as vm:
        vm.run('ip address add 10.0.0.2/24 dev eth0')
        vm.qmp('system_reset')
        vm.wait_boot()

Kernel and busybox are packages that are not installed (packages.py). Guest and test talk over a virtio serial port
(run()); the serial port is the kernel's console (`output`).

    with Vm(Initramfs(Kernel('amd64'), ['igb'], init=HOST_INIT), args=HOST_ROOT + [...], qemu=recent_qemu()) as vm:
        vm.run('/usr/bin/python3 something.py', each=print)

has this machine's files instead of busybox's: the root is ours, but nothing of what the guest writes gets here.
"""
import contextlib
import glob
import itertools
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time

import rig
from packages import CACHE, apt, backport, package
from rig import run
from tap import Skip

QEMU = os.environ.get('QEMU', 'qemu-system-x86_64')

# First what both have in common.
BOOT = '''#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
    insmod "$module" || echo "$module: not loaded" >/dev/console
done </modules
ip link set lo up
'''

# Each line on the port: a token, then a command. Its output, then the token and the exit status, go back. The first line
# of a boot tells it from the one before. Not a serial port: QEMU loses bytes when its socket is full.
SHELL = '''
exec 0<>/dev/vport0p1 >&0
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
while read -r token command; do
    sh -c "$command" </dev/null 2>&1
    echo "$token $?"
done
'''

INIT = BOOT + SHELL

# /tmp is not a new one: the build folder may be below it.
HOST_INIT = BOOT + '''
mkdir /host /rw /new
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=262144,ro host /host
mount -t tmpfs rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work root /new
for folder in proc sys dev; do
    mount -o move /$folder /new/$folder
done
mount -t tmpfs -o mode=755 run /new/run
mkdir /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs shm /new/dev/shm
cat >/new/run/shell <<'end'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
''' + SHELL + '''
end
exec switch_root /new /bin/sh /run/shell
'''
HOST_MODULES = ['9p', '9pnet_virtio', 'overlay']
HOST_ROOT = ['-virtfs', 'local,path=/,mount_tag=host,security_model=passthrough,readonly=on,multidevs=remap']


def recent_qemu():
    """QEMU 10 or later: what is installed, or the package in backports. Command and environment."""
    if shutil.which(QEMU):
        found = re.search(r'version (\d+)', run(QEMU, '--version'))
        if found and int(found[1]) >= 10:
            return [QEMU], {}
    files = backport('qemu-system-x86')
    libraries = f'{files}/usr/lib/x86_64-linux-gnu'
    return ([f'{files}/usr/bin/qemu-system-x86_64', '-L', f'{files}/usr/share/qemu', '-L', f'{files}/usr/share/seabios',
             '-L', '/usr/share/seabios'], {'LD_LIBRARY_PATH': libraries, 'QEMU_MODULE_DIR': f'{libraries}/qemu'})


class Kernel:
    """Debian's kernel of the flavour 'cloud-amd64' (no hardware drivers) or 'amd64'."""

    def __init__(self, flavour='cloud-amd64'):
        self.folder = self._unpacked(flavour) or package(self._newest(flavour))
        (self.image,) = glob.glob(f'{self.folder}/boot/vmlinuz-*')
        # No modules.dep: that is made when the package is installed.
        self.modules = {os.path.basename(path)[:-3].replace('-', '_'): path
                        for path in glob.iglob(f'{self.folder}/lib/modules/**/*.ko', recursive=True)}

    @staticmethod
    def _unpacked(flavour):
        return max(glob.glob(f'{CACHE}/linux-image-[0-9]*[0-9]-{flavour}'), default=None)

    @staticmethod
    def _newest(flavour):
        # The package of that name is empty, and depends on the newest version's.
        code, out = apt('apt-cache', 'depends', f'linux-image-{flavour}')
        found = re.search(r'Depends: (linux-image-\S+)', out)
        if code or not found:
            raise Skip(f'no package linux-image-{flavour}: {out.strip()[-200:]}')
        return found[1]

    def with_dependencies(self, names):
        """Paths of these modules and of those that they need, in the order to load them."""
        paths = []
        for name in names:
            path = self.modules[name.replace('-', '_')]
            with open(path, 'rb') as f:
                needs = re.search(rb'\0depends=([^\0]*)\0', f.read())[1].decode()
            for p in self.with_dependencies(filter(None, needs.split(','))) + [path]:
                if p not in paths:
                    paths.append(p)
        return paths


class Initramfs:
    """busybox, kernel modules (loaded at boot, with what they need; always those for the shell's port), and `files`:
    {path in the guest: path here}."""

    def __init__(self, kernel, modules, files=None, init=INIT):
        self.kernel = kernel
        self.entries = []
        for folder in ('bin', 'dev', 'proc', 'sys', 'tmp', 'lib'):
            self._add(folder, 0o40755)
        with open(f'{package("busybox-static")}/bin/busybox', 'rb') as f:
            busybox = f.read()
        self._add('bin/busybox', 0o100755, busybox)
        for name in run(f'{package("busybox-static")}/bin/busybox', '--list').split():
            if name != 'busybox':
                self._add(f'bin/{name}', 0o120777, b'busybox')
        paths = kernel.with_dependencies(['virtio_pci', 'virtio_console', *modules])
        self._add('modules', 0o100644, ''.join(f'/lib/{os.path.basename(p)}\n' for p in paths).encode())
        for inside, outside in {**{f'lib/{os.path.basename(p)}': p for p in paths}, **(files or {})}.items():
            with open(outside, 'rb') as f:
                self._add(inside.lstrip('/'), 0o100000 | os.fstat(f.fileno()).st_mode & 0o777, f.read())
        self._add('init', 0o100755, init.encode())

    def _add(self, name, mode, data=b''):
        self.entries.append((name, mode, data))

    def write(self, path):
        """As a cpio archive, format "newc"."""
        with open(path, 'wb') as out:
            for number, (name, mode, data) in enumerate(self.entries + [('TRAILER!!!', 0, b'')]):
                # inode, mode, uid, gid, links, mtime, size, device and rdev as major and minor, length of name, checksum
                fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
                head = b'070701' + b''.join(b'%08x' % f for f in fields) + name.encode() + b'\0'
                out.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))


class Lines:
    """A socket for lines of text."""

    def __init__(self, sock):
        self.sock, self.data = sock, b''

    def put(self, line):
        self.sock.settimeout(10)
        self.sock.sendall(line.encode() + b'\n')

    def get(self, end):
        """The next one. TimeoutError at time `end`, ConnectionError if there comes no more."""
        while b'\n' not in self.data:
            self.sock.settimeout(max(0.001, end - time.monotonic()))
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError
            self.data += data
        line, _, self.data = self.data.partition(b'\n')
        return line.decode(errors='replace')

    def close(self):
        self.sock.close()


class Nic:
    """A virtio-net device behind the vhost-user socket `path`: QEMU connects there (again and again), or listens if
    `server`. properties: of the device ('packed=on,mrg_rxbuf=off')."""

    def __init__(self, path, mac, properties='', queues=1, server=False):
        self.path, self.mac, self.properties, self.queues, self.server = path, mac, properties, queues, server

    def arguments(self, n):
        """QEMU's, for the machine's nth one."""
        role = 'server=on,wait=off' if self.server else 'reconnect=1'
        # No MSI-X: with it and vhost-user QEMU 7.2 crashes unless it has KVM (kvm_virtio_pci_irqfd_use() is called, and
        # there is no vector_irqfd).
        device = [f'virtio-net-pci,netdev=net{n},id=nic{n},mac={self.mac},romfile=,vectors=0']
        if self.queues > 1:
            device.append('mq=on')
        if self.properties:
            device.append(self.properties)
        return ['-chardev', f'socket,id=char{n},path={self.path},{role}',
                '-netdev', f'vhost-user,id=net{n},chardev=char{n},queues={self.queues}', '-device', ','.join(device)]


class Vm(rig.Process):
    """QEMU, started and its guest ready. start() after kill9() or stop(): a new machine with the same arguments.

    nics      [Nic]; the guest calls them eth0, eth1, ...
    memory    MiB of each NUMA node; each is a memory region of its own, a shared memfd, as vhost-user wants it. More can
              be plugged in: plug_memory()
    args      further arguments of QEMU
    kernel    further arguments of the kernel
    qemu      recent_qemu(), where Debian's own version will not do
    thread    'multi': a thread for each CPU; 'single': one for all
    """

    def __init__(self, initramfs, nics=(), memory=(128, 128), cpus=2, machine='q35', args=(), kernel='', qemu=None,
                 thread='multi', limit=60):
        self.qemu, env = qemu or ([QEMU], {})
        if not shutil.which(self.qemu[0]):
            raise Skip(f'no {self.qemu[0]}')
        self.initramfs, self.limit = initramfs, limit
        self.dir = None
        self.shell = self.control = None
        self.boot = None
        self._numbers = itertools.count(len(memory))
        self._machine = [
            '-nodefaults', '-no-user-config', '-display', 'none', '-accel', f'tcg,thread={thread}', '-machine', machine,
            '-smp', f'{cpus},sockets={cpus}', '-m', f'{sum(memory)}M,slots=4,maxmem={sum(memory) + 1024}M',
            '-append', 'console=ttyS0 quiet loglevel=5 panic=-1 ipv6.disable=1 net.ifnames=0 ' + kernel]
        for n, size in enumerate(memory):
            near = [f'cpus={cpu}' for cpu in range(n, cpus, len(memory))]
            self._machine += ['-object', f'memory-backend-memfd,id=ram{n},size={size}M,share=on',
                              '-numa', ','.join([f'node,memdev=ram{n}', *near])]
        for n, nic in enumerate(nics):
            self._machine += nic.arguments(n)
        self._machine += args
        super().__init__(self.qemu, env=env)

    def start(self):
        """Start, and wait for the guest."""
        self._hang_up()
        if not self.dir:
            self.dir = tempfile.mkdtemp(prefix='vfring-vm-')
            self.initramfs.write(f'{self.dir}/initramfs')
        # QEMU connects before the guest runs, so that nothing of it is lost.
        shell, control = (self._listen(name) for name in ('shell', 'control'))
        with shell, control:
            self.argv = [*self.qemu, '-kernel', self.initramfs.kernel.image, '-initrd', f'{self.dir}/initramfs',
                         '-serial', 'stdio', '-device', 'virtio-serial-pci,id=serial', '-device', 'virtserialport,chardev=shell',
                         '-chardev', f'socket,id=shell,path={self.dir}/shell',
                         '-chardev', f'socket,id=control,path={self.dir}/control', '-mon', 'chardev=control,mode=control',
                         *map(str, self._machine)]
            super().start()
            self.shell, self.control = self._accept(shell), self._accept(control)
        self.wait_boot()
        self.qmp('qmp_capabilities')

    def _listen(self, name):
        path = f'{self.dir}/{name}'
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.bind(path)
        s.listen(1)
        s.setblocking(False)
        return s

    def _accept(self, listener):
        def attempt():
            with contextlib.suppress(BlockingIOError):
                return listener.accept()[0]
            if not self.alive:
                self.wait()
                raise RuntimeError(f'QEMU ended ({self.proc.returncode}):\n{self.tail()}')
            return None
        return Lines(rig.wait_for(attempt, 10, lambda: f'QEMU to connect; it said:\n{self.tail()}'))

    def _hang_up(self):
        for s in (self.shell, self.control):
            if s:
                s.close()
        self.shell = self.control = None

    def _line(self, lines, end, what):
        try:
            return lines.get(end)
        except TimeoutError:
            raise rig.Timeout(f'time passed waiting for {what}; the console said:\n{self.tail()}') from None
        except ConnectionError:
            self.wait()
            raise RuntimeError(f'QEMU ended ({self.proc.returncode}) before {what}; it said:\n{self.tail()}') from None

    def wait_boot(self):
        """Wait until the guest is ready, or after a reset ready again."""
        end = time.monotonic() + self.limit
        while True:
            line = self._line(self.shell, end, 'the guest to boot')
            word, _, boot = line.partition(' ')
            if word == 'boot' and boot != self.boot:
                self.boot = boot
                return

    def run(self, command, limit=30, check=True, each=None):
        """A line for the guest's shell; its output (both streams). With check=False a CompletedProcess, whatever its
        status. each: called with every line as it comes."""
        token = f'<{next(self._numbers)}>'
        self.shell.put(f'{token} timeout -s KILL {limit} sh -c {shlex.quote(command)}')
        end, out = time.monotonic() + limit + 10, []
        while True:
            line = self._line(self.shell, end, f'"{command}" in the guest')
            # What it printed need not end with a new line.
            text, found, status = line.rpartition(f'{token} ')
            out.append(text if found else line + '\n')
            if each and out[-1]:
                each(out[-1].rstrip('\n'))
            if found:
                break
        p = subprocess.CompletedProcess(command, int(status), ''.join(out))
        if check and p.returncode:
            raise RuntimeError(f'in the guest: {command}: exit {p.returncode}: {p.stdout.strip()}')
        return p.stdout if check else p

    def reboot(self):
        """By the guest itself, without its drivers being told."""
        self.shell.put('- reboot -f')
        self.wait_boot()

    def reset(self):
        """As by the button on the front."""
        self.qmp('system_reset')
        self.wait_boot()

    def qmp(self, command, **arguments):
        """A command to QEMU; what it returned."""
        number = next(self._numbers)
        self.control.put(json.dumps({'execute': command, 'arguments': arguments, 'id': number}))
        end = time.monotonic() + 10
        while True:
            answer = json.loads(self._line(self.control, end, f'QMP {command}'))
            if answer.get('id') == number:  # else a greeting or an event
                if 'error' in answer:
                    raise RuntimeError(f'QMP {command}: {answer["error"]["desc"]}')
                return answer['return']

    def plug_memory(self, size):
        """Another memory region of `size` MiB."""
        n = next(self._numbers)
        self.qmp('object-add', **{'qom-type': 'memory-backend-memfd', 'id': f'ram{n}', 'size': size << 20, 'share': True})
        self.qmp('device_add', driver='pc-dimm', id=f'dimm{n}', memdev=f'ram{n}')

    def close(self):
        try:
            super().close()
        finally:
            self._hang_up()
            if self.dir:
                shutil.rmtree(self.dir, ignore_errors=True)
