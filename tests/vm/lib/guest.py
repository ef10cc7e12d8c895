#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The guest's part of the VM tests: the 82576, its VFs as an operator prepares them by hand, and its wire.

    with Wire() as net:                     # the other end of the NIC's cable, a namespace as in rig.Netns
        pf = Pf()
        pf.enable(2)
        pf.vf(0).set('mac', '02:76:66:02:00:00')
        pf.vf(0).bind('vfio-pci')
        ... 'device': pf.vf(0).address ...
"""
import glob
import os
import re
import struct
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, 'tests/integration/lib'))
import vhost_user  # noqa: E402
import wire  # noqa: E402
from rig import run, wait_for  # noqa: E402

PCI = '/sys/bus/pci/devices'
PF, WIRE = '0000:01:00.0', '0000:00:05.0'


def read(path):
    with open(path) as f:
        return f.read().strip()


def write(path, value):
    with open(path, 'w') as f:
        f.write(f'{value}\n')


def link(path):
    """The name that a symbolic link leads to; '' if there is none."""
    return os.path.basename(os.readlink(path)) if os.path.islink(path) else ''


def netdev(address):
    """The name of a PCI device's network interface in this namespace; None if it has none."""
    names = [os.path.basename(path) for path in glob.glob(f'{PCI}/{address}/net/*') + glob.glob(f'{PCI}/{address}/virtio*/net/*')]
    return names[0] if names else None


def dmesg(pattern):
    """The kernel's lines with this (regular expression) in them."""
    return '\n'.join(line for line in run('dmesg').splitlines() if re.search(pattern, line))


class Vf:
    def __init__(self, pf, index):
        self.pf, self.index = pf, index
        self.address = link(f'{pf.path}/virtfn{index}')
        self.path = f'{PCI}/{self.address}'

    def set(self, *what):
        """ip link set PF vf N ..."""
        run('ip', 'link', 'set', self.pf.netdev, 'vf', self.index, *what)

    @property
    def driver(self):
        return link(f'{self.path}/driver')

    @property
    def override(self):
        return read(f'{self.path}/driver_override').replace('(null)', '')

    def bind(self, driver):
        """To this driver, or with '' to none."""
        if self.driver:
            write(f'{self.path}/driver/unbind', self.address)
        write(f'{self.path}/driver_override', driver)
        if driver:
            write('/sys/bus/pci/drivers_probe', self.address)
            assert self.driver == driver, f'{self.address} has driver {self.driver}, not {driver}'


class Pf:
    def __init__(self):
        self.address, self.path = PF, f'{PCI}/{PF}'
        self.netdev = netdev(PF)
        run('ip', 'link', 'set', self.netdev, 'up')
        wait_for(lambda: read(f'/sys/class/net/{self.netdev}/carrier') == '1', 10, 'the carrier')

    def enable(self, count, autoprobe=0):
        """So many VFs (after none), with a driver of the kernel's if autoprobe."""
        write(f'{self.path}/sriov_numvfs', 0)
        write(f'{self.path}/sriov_drivers_autoprobe', autoprobe)
        write(f'{self.path}/sriov_numvfs', count)

    @property
    def count(self):
        return int(read(f'{self.path}/sriov_numvfs'))

    def vf(self, index):
        return Vf(self, index)

    def info(self, index):
        """What `ip link` says about a VF."""
        (line,) = [line for line in run('ip', 'link', 'show', self.netdev).splitlines() if f' vf {index} ' in line]
        return ' '.join(line.split())


class Wire:
    """The card at the other end of the cable, alone in a network namespace; there it is called `peer`."""

    def __init__(self, name='wire', address=None):
        self.name, self.peer, self.address = name, 'wire', address

    def __enter__(self):
        run('ip', 'netns', 'add', self.name)
        run('ip', 'link', 'set', netdev(WIRE), 'netns', self.name, 'name', self.peer)
        run('ethtool', '-K', self.peer, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off', netns=self.name)
        run('ip', 'link', 'set', self.peer, 'up', netns=self.name)
        if self.address:
            run('ip', 'address', 'add', self.address, 'dev', self.peer, netns=self.name)
        return self

    def __exit__(self, *exc):
        run('ip', 'netns', 'del', self.name)

    def run(self, *argv, **kwargs):
        """A command inside the namespace."""
        return run(*argv, netns=self.name, **kwargs)


class Blast:
    """Frames to a container that returns them (testpmd, macswap), at a steady rate in the background until the block ends."""

    RATE = 400  # the machine is emulated

    def __init__(self, net, mac, vlan=None):
        self.net, self.mac, self.vlan = net, bytes.fromhex(mac.replace(':', '')), vlan
        self.end, self.result = threading.Event(), None

    def __enter__(self):
        def send():
            self.result = wire.blast(self.net.peer, self.RATE, 120, size=300, vlan=self.vlan, netns=self.net.name,
                                     dst=self.mac, settle=1, stop=self.end)
        self.thread = threading.Thread(target=send)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.end.set()
        self.thread.join(30)


class Box:
    """A container of our own making on port wire<n>, with a MAC address and a VLAN (None) that its VF has."""

    def __init__(self, d, n, mac, vlan, **kwargs):
        self.d, self.n, self.vlan = d, n, vlan
        self.mac = bytes.fromhex(mac.replace(':', ''))
        self.got = []
        self.fe = vhost_user.Frontend(f'{d.dir}/web{n}.sock', timeout=20, **kwargs)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.fe.close()

    def start(self, limit=20):
        """With all its buffers posted, evenly spread over its memory regions; until it is mapped both ways."""
        self.fe.start()
        ring, regions = self.fe.rx[0], self.fe.mem.regions
        for n in range(ring.num):
            ring.post(1, 2176, region=regions[n % len(regions)])
        wait_for(lambda: self.mapped, limit, lambda: f'web{self.n} to be mapped: {self.queue}\n{self.d.tail()}')

    @property
    def queue(self):
        return self.d.telemetry(f'/vfring/queues,wire{self.n}:0')

    @property
    def mapped(self):
        return (self.queue['state'], self.queue['tx_mode']) == ('mapped', 'mapped')

    def poll(self):
        self.got += [bytes(p) for p in self.fe.rx[0].poll()]
        self.fe.tx[0].complete()

    def frames(self, count, dst, tag=0):
        """Of all sizes, to `dst`; no two boxes' are alike."""
        return [(dst + self.mac + b'\x88\xb5' + struct.pack('!BIB', self.n, size, tag)).ljust(size, bytes([size & 0xff ^ self.n]))
                for size in range(60, 1515, (1514 - 60) // (count - 1))]


def tagged(frame, vlan):
    """As it is on the wire."""
    return frame if vlan is None else frame[:12] + struct.pack('!HH', wire.TPID, vlan) + frame[12:]


def settle(boxes, want, limit=10, quiet=0.3):
    """Let the boxes receive until each has as many frames as wanted, and a moment longer for those that nobody wants."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        for box in boxes:
            box.poll()
        if all(len(box.got) >= n for box, n in zip(boxes, want)):
            end, limit = min(end, time.monotonic() + quiet), 0
            want = [1 << 30] * len(boxes)


def compare(got, want):
    """'' if equal, else what is wrong."""
    if got == want:
        return ''
    return f'{len(got)} frames for {len(want)}; ' + next((f'number {n}: {wire.difference(a, b)}; {a[:24].hex()}' for n, (a, b) in
                                                         enumerate(zip(got, want)) if a != b), 'the first ones are right')
