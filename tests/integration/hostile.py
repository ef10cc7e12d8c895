#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A container that breaks the rules loses its connection; its neighbour and the daemon do not notice."""
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import vhost_user
import wire
from rig import Daemon, Netns, Testpmd, listening, wait_for
from tap import Tap
from vhost_user import F_INDIRECT, F_NEXT, F_WRITE

BAD_GPA = 0x7000_0000_0000


def config(net, mapping='auto'):
    return {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 128},
        'port wire0': {'device': f'net_af_packet0,iface={net.host}'},
        # The hostile container's own wire: an endless source of packets, so receive rings are worked on at once.
        'port null0': {'device': 'net_null0,size=64'},
        'container good': {'socket': '{dir}/good.sock', 'port': 'wire0'},
        'container evil': {'socket': '{dir}/evil.sock', 'port': 'null0', 'mapping': mapping},
    }


def evil(d):
    return d.telemetry('/vfring/containers,evil')


def offer(ring, head):
    """Often enough for a driver that takes buffers by the burst, all or none."""
    for _ in range(64):
        ring.raw_avail(head)


# What the container does to its own rings, and the reason that must be shown for the reset.

def rx_avail_jumps(fe):
    fe.rx[0].raw_avail_idx(1000)


def rx_id_beyond(fe):
    offer(fe.rx[0], 0xffff)


def rx_outside(fe):
    fe.rx[0].raw_desc(0, BAD_GPA, 4096, F_WRITE)
    offer(fe.rx[0], 0)


def rx_wraps(fe):
    fe.rx[0].raw_desc(0, 2**64 - 16, 4096, F_WRITE)
    offer(fe.rx[0], 0)


def rx_read_only(fe):
    fe.rx[0].raw_desc(0, fe.mem.regions[0].gpa, 4096, 0)
    offer(fe.rx[0], 0)


def rx_loop(fe):
    """Found by the path that copies: chains are never mapped."""
    gpa = fe.mem.regions[0].gpa
    fe.rx[0].raw_desc(0, gpa, 0, F_WRITE | F_NEXT, 1)
    fe.rx[0].raw_desc(1, gpa, 0, F_WRITE | F_NEXT, 0)
    offer(fe.rx[0], 0)


def tx_avail_jumps(fe):
    fe.tx[0].raw_avail_idx(40000)


def tx_id_beyond(fe):
    fe.tx[0].raw_avail(256)


def tx_outside(fe):
    fe.tx[0].raw_desc(0, BAD_GPA, 100, 0)
    fe.tx[0].raw_avail(0)


def tx_loop(fe):
    gpa = fe.mem.regions[0].gpa
    fe.tx[0].raw_desc(0, gpa, 0, F_NEXT, 0)
    fe.tx[0].raw_avail(0)


def tx_writable(fe):
    fe.tx[0].raw_desc(0, fe.mem.regions[0].gpa, 100, F_WRITE)
    fe.tx[0].raw_avail(0)


def tx_no_header(fe):
    fe.tx[0].raw_desc(0, fe.mem.regions[0].gpa, 5, 0)
    fe.tx[0].raw_avail(0)


def tx_indirect_nested(fe):
    table = fe.mem.alloc(32)
    fe.mem.write(table, struct.pack('<QIHH', table, 16, F_INDIRECT, 0) * 2)
    fe.tx[0].raw_desc(0, table, 32, F_INDIRECT)
    fe.tx[0].raw_avail(0)


def tx_indirect_odd(fe):
    fe.tx[0].raw_desc(0, fe.mem.alloc(32), 20, F_INDIRECT)
    fe.tx[0].raw_avail(0)


def memory_shrinks(fe):
    fe.shrink(0, 0)


ATTACKS = [
    (rx_avail_jumps, 'avail index jumped'),
    (rx_id_beyond, 'descriptor number beyond the ring'),
    (rx_outside, 'buffer outside of shared memory'),
    (rx_wraps, 'buffer outside of shared memory'),
    (rx_read_only, 'buffer has the wrong direction'),
    (rx_loop, 'descriptor chain longer than the ring'),
    (tx_avail_jumps, 'avail index jumped'),
    (tx_id_beyond, 'descriptor number beyond the ring'),
    (tx_outside, 'buffer outside of shared memory'),
    (tx_loop, 'descriptor chain longer than the ring'),
    (tx_writable, 'buffer has the wrong direction'),
    (tx_no_header, 'no room for the virtio-net header'),
    (tx_indirect_nested, 'bad indirect descriptor'),
    (tx_indirect_odd, 'bad indirect descriptor'),
    (memory_shrinks, 'shared memory was shrunk'),
]


def attack(t, d, what, reason, mapping):
    name = f'{what.__name__}, mapping = {mapping}'
    resets = evil(d)['resets']
    with vhost_user.Frontend(d.dir + '/evil.sock') as fe:
        # After a reset the socket comes back a second later.
        wait_for(lambda: connects(fe), 5, 'the socket to be back')
        fe.start()
        wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the ring to work')
        what(fe)
        t.ok(fe.hung_up(5), f'{name}: the connection is closed', d.tail(5))
    c = evil(d)
    t.ok(c['resets'] == resets + 1 and c['last_reset'] == reason, f'{name}: reset for "{reason}"', str(c))


def connects(fe):
    try:
        fe.connect(0)
    except OSError:
        return False
    return True


def send_junk(t, d):
    """Messages that make no sense, straight at the socket."""
    for n, data in enumerate((b'\0' * 3, b'\xff' * 12, struct.pack('<III', 5, 1, 0xffffffff), struct.pack('<III', 8, 1, 4) + b'abcd',
                              struct.pack('<IIIII', 8, 1, 8, 0xffff, 0xffff), struct.pack('<IIIII', 11, 1, 8, 0xffffffff, 0),
                              struct.pack('<IIIII', 18, 1, 8, 255, 0), struct.pack('<IIIQ', 5, 1, 8, 8))):
        before = evil(d)['connections']
        s = socket.socket(socket.AF_UNIX)
        s.connect(d.dir + '/evil.sock')
        s.sendall(data)
        s.close()
        wait_for(lambda: (c := evil(d))['connections'] == before + 1 and c['connected'] == 0, 5, f'junk {n} to be gone')


def connects_many(t, d):
    """More connections than a container can have: the third is refused, the second gets its turn."""
    with vhost_user.Frontend(d.dir + '/evil.sock') as first, vhost_user.Frontend(d.dir + '/evil.sock') as second, \
            vhost_user.Frontend(d.dir + '/evil.sock') as third:
        first.start()
        wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the first to work')
        second.start()
        third.connect()
        t.ok(third.hung_up(5), 'the third connection is closed')
        t.ok(not first.hung_up(), 'the first one stays')
        first.disconnect()
        second.rx[0].post(size=2176)
        t.ok(len(second.rx[0].receive(100)) >= 100, 'the second one gets its turn', str(evil(d)))


def main():
    with Tap() as t, Netns('vft-hostile', host='vft-h0') as net:
        for mapping in ('auto', 'off'):
            with Daemon(config(net, mapping)) as d, Testpmd(d.dir + '/good.sock', lcores='0@0,1@0'):
                wait_for(lambda: d.telemetry('/vfring/containers,good')['ring_pairs_working'] == 1, 10, 'the good one')
                for what, reason in ATTACKS:
                    t.run(attack, t, d, what, reason, mapping, name=what.__name__)
                wait_for(lambda: listening(d.dir + '/evil.sock'), 5, 'the socket to be back')
                t.run(send_junk, t, d, name=f'junk messages, mapping = {mapping}')
                t.run(connects_many, t, d, name='three connections')
                r = wire.echo_compare(net.peer, range(60, 1515, 5), netns=net.name)
                t.ok(r['ok'], f'the neighbour works as before, mapping = {mapping}', str(r))
                c = d.telemetry('/vfring/containers,good')
                t.ok(c['resets'] == 0 and c['connections'] == 1, 'the neighbour was never disturbed', str(c))
                t.ok(d.alive, 'the daemon lives', d.tail())
    return t.status


sys.exit(main())
