#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The guest's containers: a daemon on three VFs, testpmd or a front end of our own behind it, frames on the wire."""
import struct
import threading
import time

from guest import wait_for
import vhost_user
import wire
from rig import Daemon, Testpmd

SWITCH = {'workers': 1, 'hugepages': 'off', 'memory': 128, 'idle_sleep_max': 100}
MACS = [f'02:76:66:02:00:{n:02x}' for n in range(3)]
# VLANs that the daemon can know only if it has prepared the VF.
VLANS = {'hand': [None, None, None], 'ini': [None, 100, 100]}


class Bench:
    """Three VFs, each a port wire<n>, prepared by `how` ('hand', 'ini': the daemon does it), and the wire."""

    def __init__(self, net, pf, how):
        self.net, self.pf, self.how, self.vlans = net, pf, how, VLANS[how]
        self.prepare()

    def prepare(self):
        """From the beginning."""
        if self.how == 'ini':
            self.pf.enable(0, autoprobe=1)
            return
        self.pf.enable(len(MACS))
        for n, mac in enumerate(MACS):
            self.pf.vf(n).set('mac', mac)
            self.pf.vf(n).bind('vfio-pci')

    def port(self, n):
        """Keys of its section."""
        if self.how == 'hand':
            return {'device': self.pf.vf(n).address}
        return {'device': f'pf:{self.pf.netdev},vf={n}', 'mac': MACS[n], 'vlan': self.vlans[n] or 0}

    def daemon(self, count, switch=None, wrap=(), **keys):
        """With a container web<n> on each of the first ports, which gets these keys."""
        config = {'switch': {**SWITCH, **(switch or {})}, **{f'port wire{n}': self.port(n) for n in range(len(MACS))}}
        for n in range(count):
            config[f'container web{n}'] = {'socket': f'{{dir}}/web{n}.sock', 'port': f'wire{n}', **keys}
        return Daemon(config, limit=60, wrap=wrap)

    def box(self, d, n, **kwargs):
        return Box(d, n, MACS[n], self.vlans[n], **kwargs)

    def echo(self, n, sizes=range(60, 1515, 31), **kwargs):
        """Through a container that returns everything."""
        return wire.echo_compare(self.net.peer, sizes, netns=self.net.name, timeout=30,
                                 dst=bytes.fromhex(MACS[n].replace(':', '')), **{'vlan': self.vlans[n], **kwargs})

    def blast(self, n):
        return Blast(self.net, MACS[n], self.vlans[n])


def testpmd(d, n, vdev='', **kwargs):
    """Containers share a CPU: each yields it to the others only now and then."""
    return Testpmd(f'{d.dir}/web{n}.sock', vdev=vdev, lcores='0@0,1@2', limit=60, **{'memory': 64, **kwargs})


def container(d, n):
    return d.telemetry(f'/vfring/containers,web{n}')


def queue(d, n):
    return d.telemetry(f'/vfring/queues,wire{n}:0')


def mapped(d, n):
    c = container(d, n)  # None: EAL answers already, the switch does not yet
    return c is not None and (c['ring_pairs_working'], c['rx_mode'], c['tx_mode']) == (1, 'mapped', 'mapped')


def wait_mapped(d, n):
    wait_for(lambda: mapped(d, n), 30, lambda: f'web{n} to be mapped: {container(d, n)}\n{d.tail()}')


def check_counters(t, d, name, count):
    for n in range(count):
        c = container(d, n)
        # Before the container is connected, what comes is dropped.
        drops = {k: v for k, v in c.items() if '_drop_' in k and v and k != 'rx_drop_no_container'}
        t.ok(c['rx_mapped'] == c['rx_packets'] - c['rx_drop_no_container'] > 0 and
             c['tx_mapped'] == c['tx_packets'] > 0 and not drops and
             c['rx_relocated'] == c['rx_fillers'] == c['resets'] == 0,
             f'{name}: all that web{n} received and sent was mapped, in place, nothing dropped', f'{c}\n{d.tail()}')


class Blast:
    """Frames to a container that returns them (testpmd, macswap), at a steady rate in the background until the block
    ends."""

    RATE = 200  # the machine is emulated

    def __init__(self, net, mac, vlan=None):
        self.net, self.mac, self.vlan = net, bytes.fromhex(mac.replace(':', '')), vlan
        self.end, self.result = threading.Event(), None

    def __enter__(self):
        def send():
            self.result = wire.blast(self.net.peer, self.RATE, 600, size=300, vlan=self.vlan, netns=self.net.name,
                                     dst=self.mac, settle=1, stop=self.end)
        self.thread = threading.Thread(target=send)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.end.set()
        self.thread.join(120)


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
        return queue(self.d, self.n)

    @property
    def mapped(self):
        return (self.queue['state'], self.queue['tx_mode']) == ('mapped', 'mapped')

    def poll(self):
        self.got += [bytes(p) for p in self.fe.rx[0].poll()]
        self.fe.tx[0].complete()

    def frames(self, count, dst, tag=0):
        """Of all sizes, to `dst`; no two boxes' are alike."""
        def make(size):
            head = dst + self.mac + b'\x88\xb5' + struct.pack('!BIB', self.n, size, tag)
            return head.ljust(size, bytes([size & 0xff ^ self.n]))
        return [make(size) for size in range(60, 1515, (1514 - 60) // (count - 1))]


def tagged(frame, vlan):
    """As it is on the wire."""
    return frame if vlan is None else frame[:12] + struct.pack('!HH', wire.TPID, vlan) + frame[12:]


def settle(boxes, want, limit=10, quiet=0.3):
    """Let the boxes receive until each has as many frames as wanted, and a moment longer for those that nobody
    wants."""
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
    text = f'{len(got)} frames for {len(want)}'
    for n, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return f'{text}; number {n}: {wire.difference(a, b)}; {a[:24].hex()}'
    return f'{text}; the first ones are right'
