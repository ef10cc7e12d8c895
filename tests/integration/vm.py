#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 600 s
"""Virtual machines: QEMU and the virtio-net driver of a Linux guest, with network cards of every kind, each on a wire of its
own. Guest, QEMU and daemon are restarted in turn."""
import concurrent.futures
import contextlib
import hashlib
import os
import random
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import vhost_user
import wire
from rig import Daemon, Netns, Process, load_simvf, wait_for
from tap import Skip, Tap
from vm import Initramfs, Kernel, Nic, Vm

TOO_SHORT = 'buffers shorter than the NIC queue needs'
LEGACY = 'disable-modern=on,disable-legacy=off'
VERSION_1, MRG_RXBUF, RING_PACKED = vhost_user.VERSION_1, vhost_user.MRG_RXBUF, vhost_user.RING_PACKED

# name, properties of the card, ring pairs, features negotiated, who listens on the socket, port. A Linux guest posts
# buffers of 1518 bytes and the header. That is enough for a mapped queue if its NIC does not need more: the simulated VF
# does sizes to the byte.
CARDS = [
    ('split, mergeable', '', 1, VERSION_1 | MRG_RXBUF, 'daemon', 'af_packet'),
    ('split, two pairs', 'mrg_rxbuf=off', 2, VERSION_1, 'QEMU', 'simvf'),
    ('split, mergeable, two pairs', '', 2, VERSION_1 | MRG_RXBUF, 'QEMU', 'simvf'),
    ('split, legacy', f'{LEGACY},mrg_rxbuf=off', 1, 0, 'daemon', 'simvf'),
    ('packed, mergeable, two pairs', 'packed=on', 2, RING_PACKED | VERSION_1 | MRG_RXBUF, 'daemon', 'simvf'),
    ('packed', 'packed=on,mrg_rxbuf=off', 1, RING_PACKED | VERSION_1, 'QEMU', 'af_packet'),
]


class Card:
    """One of the machine's network cards, with its wire and its container in the configuration."""

    def __init__(self, n, name, properties, pairs, features, listener, port):
        self.n, self.name, self.properties, self.pairs, self.features, self.port = n, name, properties, pairs, features, port
        self.client = listener == 'QEMU'
        self.mode, self.why = ('mapped', '') if port == 'simvf' else ('copied', TOO_SHORT)
        self.here, self.there, self.mac = f'10.9.{n}.1', f'10.9.{n}.2', f'52:54:00:12:34:{n:02x}'
        self.net = Netns(f'vft-vm{n}', host=f'vft-v{n}', address=f'{self.here}/24')

    def config(self):
        port = {'device': f'net_af_packet{self.n},iface={self.net.host},qpairs={self.pairs}', 'queues': self.pairs}
        if self.port == 'simvf':
            port.update(device=f'net_simvf{self.n},wire=iface:{self.net.host},mac={self.mac},buf_align=1', rx_buffer=1518)
        return {
            f'port wire{self.n}': port,
            f'container vm{self.n}': {'socket': f'{{dir}}/vm{self.n}.sock', 'port': f'wire{self.n}', 'queues': self.pairs,
                                      'socket_mode': 'client' if self.client else 'server'},
        }

    def nic(self, d):
        return Nic(f'{d.dir}/vm{self.n}.sock', self.mac, self.properties, self.pairs, server=self.client)

    def container(self, d):
        return d.telemetry(f'/vfring/containers,vm{self.n}')

    def reconnects(self):
        """QEMU tells a new back end where a packed ring stood when it was set up, and the ring itself has no index."""
        return not self.features & RING_PACKED

    def queues(self, d):
        return [d.telemetry(f'/vfring/queues,wire{self.n}:{q}') for q in range(self.pairs)]

    def working(self, d):
        c = self.container(d)  # None: EAL answers already, the switch does not yet
        return c is not None and c['ring_pairs_working'] == self.pairs

    def answers(self):
        return self.net.run('ping', '-c', 1, '-W', 1, self.there, check=False).returncode == 0

    def settled(self, d):
        return all((q['state'], q['why_copied']) == (self.mode, self.why) for q in self.queues(d))

    def used(self, d):
        return all(q['rx_' + self.mode] and q['tx_packets'] for q in self.queues(d))

    def up(self, d, vm):
        """Wait until everything is as it will stay. Until then packets may be lost: the rings have no buffers yet, or a queue
        is stopped to be mapped."""
        def said():
            return f'{self.container(d)}\n{self.queues(d)}\n{d.tail()}'
        wait_for(lambda: self.working(d), 10, lambda: f'{self.name} to work: {said()}')
        # Addresses do not survive a boot.
        vm.run(f'ip address replace {self.there}/24 dev eth{self.n} && ip link set eth{self.n} up')
        wait_for(self.answers, 10, lambda: f'{self.name} to answer: {said()}')
        wait_for(lambda: self.settled(d), 10, lambda: f'{self.name} to be {self.mode}: {said()}')


def ping_guest(card, count, window=8, limit=10):
    """Echo requests of all sizes, at most `window` outstanding; what was wrong, or ''. (ping itself waits for the last
    answer only for two round trips.)"""
    ident, out, bad, end = random.getrandbits(16), {}, [], time.monotonic() + limit

    def take(s):
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            packet = s.recv(2048)[20:]
        except TimeoutError:
            return False
        kind, _, _, whose, seq = struct.unpack('!BBHHH', packet[:8])
        if (kind, whose) == (0, ident) and out.pop(seq, None) != packet[8:]:
            bad.append(f'request {seq} came back changed, or twice')
        return time.monotonic() < end

    with wire.in_netns(card.net.name), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        for seq in range(count):
            out[seq] = os.urandom(1472 * seq // (count - 1))
            head, tail = struct.pack('!BB', 8, 0), struct.pack('!HH', ident, seq) + out[seq]
            s.sendto(head + struct.pack('!H', wire.checksum(head + tail)) + tail, (card.there, 0))
            while len(out) == window and take(s):
                pass
        while out and take(s):
            pass
    return '\n'.join(bad + [f'request {seq} of {len(data)} bytes was lost' for seq, data in out.items()])


def echoes(vm):
    """Echo requests that the guest has sent, answers that it has got."""
    names, values = (line.split() for line in vm.run('grep ^Icmp: /proc/net/snmp').splitlines())
    values = dict(zip(names, values))
    return int(values['OutEchos']), int(values['InEchoReps'])


def ping_back(card, vm, count, limit=10):
    """From the guest; what was wrong, or ''. Its kernel counts, for ping waits no longer than a second for the last answer."""
    before, end = echoes(vm), time.monotonic() + limit
    vm.run(f'ping -q -A -c {count} -s 1472 {card.here}', check=False)
    while True:
        sent, received = (now - then for now, then in zip(echoes(vm), before))
        if sent == received >= count:
            return ''
        if time.monotonic() > end:
            return f'the guest sent {sent} requests of {count} and got {received} answers'


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def transfer(card, vm, size, cpu=0):
    """`size` bytes each way at once on one TCP connection from the guest; what was wrong, or ''."""
    def receive(conn):
        data = bytearray()
        while part := conn.recv(1 << 16):
            data += part
        return bytes(data)

    def send(conn, data):
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)

    def serve(listener, data):
        conn, _ = listener.accept()
        conn.settimeout(30)
        with conn, concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send, conn, data)
            got = receive(conn)
            sending.result()
        return got

    with wire.in_netns(card.net.name):
        listener = socket.create_server((card.here, 0))
    listener.settimeout(30)
    data, port = os.urandom(size), listener.getsockname()[1]
    with listener, concurrent.futures.ThreadPoolExecutor(1) as pool:
        serving = pool.submit(serve, listener, data)
        there = vm.run(f'head -c {size} /dev/urandom >/tmp/blob; sha256sum </tmp/blob; '
                       f'taskset {1 << cpu} nc {card.here} {port} </tmp/blob | sha256sum', limit=60)
        sent, received = re.findall(r'[0-9a-f]{64}', there)
        got = serving.result()
    return '' if (sha256(got), received) == (sent, sha256(data)) else \
        f'{len(got)} bytes from the guest, {sha256(got)} for {sent}; to the guest {received} for {sha256(data)}'


def check_first(t, d, vm, card):
    """All about one card."""
    bad = ping_guest(card, 200) + ping_back(card, vm, 200)
    t.ok(not bad, f'{card.name}: 200 pings each way, of all sizes, are answered', bad)
    bad = transfer(card, vm, 4 << 20)
    t.ok(not bad, f'{card.name}: 4 MiB both ways at once arrive unchanged', bad)
    # Another connection is another queue's, perhaps.
    for n in range(64):
        if card.used(d):
            break
        transfer(card, vm, 1, cpu=n % 2)
    c, queues = card.container(d), card.queues(d)
    mask = VERSION_1 | MRG_RXBUF | RING_PACKED
    t.equal(int(c['features'], 16) & mask, card.features, f'{card.name}: what was negotiated')
    t.ok(card.used(d) and card.settled(d),
         f'{card.name}: every queue is used, receive is {card.mode}' + (card.why and f' ({card.why})'),
         f'{queues}\n{d.tail()}')
    t.ok(c['tx_mapped'] > 0 and c['tx_copied'] > 0,
         f'{card.name}: what the guest sends is mapped or copied, packet by packet', str(c))
    drops = {k: v for k, v in c.items() if k.startswith(('rx_drop', 'tx_drop')) and k != 'rx_drop_no_container' and v}
    t.ok(not drops and c['resets'] == 0 and c['rx_packets'] == c['rx_mapped'] + c['rx_copied'] + c['rx_drop_no_container'],
         f'{card.name}: nothing was dropped', f'{c}\n{d.tail()}')
    if card.port == 'simvf':
        stats = d.telemetry(f'/simvf/stats,net_simvf{card.n}')
        t.equal((stats['rx_iommu_faults'], stats['tx_iommu_faults'], stats['rx_missed'], stats['rx_errors']), (0, 0, 0, 0),
                f'{card.name}: no DMA where none was allowed, nothing lost in front of the switch')
    t.ok(c['memory_regions'] >= 2, f'{card.name}: the guest has several memory regions', str(c))


def check_again(t, d, vm, cards, what):
    """All cards, after something happened."""
    bad = []
    for card in cards:
        card.up(d, vm)
        bad += [f'{card.name}: {b}' for b in (ping_guest(card, 20), ping_back(card, vm, 20), transfer(card, vm, 1 << 18)) if b]
    t.ok(not bad, f'{what}: every card works', '\n'.join([*bad, d.tail()]))
    t.ok(not any(card.container(d)['resets'] for card in cards), f'{what}: nobody was reset', d.tail())
    complaints = vm.run("dmesg -r | grep -E '^<[0-4]>.*(virtio|eth[0-9]|WARN|BUG)'", check=False).stdout
    t.ok(not complaints, f'{what}: the guest has no complaints', complaints)


def plug_memory(d, vm, card):
    before = card.container(d)['memory_regions']
    vm.plug_memory(128)
    wait_for(lambda: card.container(d)['memory_regions'] > before, 10, 'the daemon to have the new memory')


def start_again(d, vm):
    vm.kill9()
    vm.start()


def restart_daemon(d, how):
    how()
    d.start()


def packed_offered(d, card):
    with vhost_user.Frontend(f'{d.dir}/vm{card.n}.sock') as fe:
        fe.connect()
        offered = fe.get_features() & RING_PACKED
    wait_for(lambda: not card.container(d)['connected'], 5, 'the connection to be gone')
    return bool(offered)


def life(t, d, vm, cards):
    """Everything that may happen to a machine, with packets coming in meanwhile."""
    for what, action, *arguments in (
            ('memory plugged in', plug_memory, d, vm, cards[0]),
            ('driver loaded again', vm.run, 'rmmod virtio_net && insmod /lib/virtio_net.ko'),
            ('guest rebooted', vm.reboot),
            ('QEMU killed and started again', start_again, d, vm),
            ('daemon stopped and started again', restart_daemon, d, d.stop),
            ('daemon killed and started again', restart_daemon, d, d.kill9)):
        def step():
            action(*arguments)
            check_again(t, d, vm, [c for c in cards if action != restart_daemon or c.reconnects()], what)
        if not t.run(step, name=what):
            break


def machine(t, initramfs):
    switch = {'workers': 1, 'idle_sleep_max': 100, 'hugepages': 'off', 'memory': 256}
    cards = [Card(n, *card) for n, card in enumerate(CARDS)]
    try:
        switch.update(load_simvf())
    except Skip as e:
        t.skip('cards on the simulated VF', str(e))
        cards = [card for card in cards if card.port != 'simvf']
    config = {'switch': switch}
    for card in cards:
        config.update(card.config())
    with contextlib.ExitStack() as stack:
        for card in cards:
            stack.enter_context(card.net)
        d = stack.enter_context(Daemon(config))
        if not packed_offered(d, cards[0]):
            t.skip('packed rings', 'vfringd does not offer them')
            cards = [card for card in cards if not card.features & RING_PACKED]
        vm = stack.enter_context(Vm(initramfs, [card.nic(d) for card in cards]))
        for card in cards:
            card.up(d, vm)
            t.run(check_first, t, d, vm, card, name=card.name)
        for card in cards:
            stack.enter_context(Process(['ip', 'netns', 'exec', card.net.name, 'ping', '-q', '-i', '0.01', card.there]))
        life(t, d, vm, cards)


with Tap() as t:
    machine(t, Initramfs(Kernel(), ['virtio_net']))
sys.exit(t.status)
