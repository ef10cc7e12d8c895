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
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, 'tests/integration/lib'))
os.environ.setdefault('VFRING_PATIENCE', '4')  # CPUs are emulated: rig's limits are for real ones
from rig import run, wait_for  # noqa: E402
from tap import Tap  # noqa: E402

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
    paths = glob.glob(f'{PCI}/{address}/net/*') + glob.glob(f'{PCI}/{address}/virtio*/net/*')
    return os.path.basename(paths[0]) if paths else None


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

    @override.setter
    def override(self, driver):
        write(f'{self.path}/driver_override', driver)

    def bind(self, driver):
        """To this driver, or with '' to none."""
        if self.driver:
            write(f'{self.path}/driver/unbind', self.address)
        self.override = driver
        if driver:
            write('/sys/bus/pci/drivers_probe', self.address)
            assert self.driver == driver, f'{self.address} has driver {self.driver}, not {driver}'


class Pf:
    def __init__(self):
        self.address, self.path = PF, f'{PCI}/{PF}'
        self.up()

    def up(self):
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


def main(cases):
    """Run what cases(how) yields, (name, test, arguments). The exit status.

        PROGRAM HOW [ONLY]      only those with ONLY in their name
    """
    only = sys.argv[2] if len(sys.argv) > 2 else ''
    run('dmesg', '--clear')
    with Tap() as t:
        for name, test, *argv in cases(sys.argv[1]):
            if only not in name:
                continue
            t.run(test, t, *argv, name=name)
            faults = dmesg('DMAR:.*[fF]ault')
            run('dmesg', '--clear')
            t.ok(not faults, f'{name}: no DMA where none was allowed', faults)
    return t.status
