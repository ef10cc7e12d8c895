#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 600 s
"""A container that breaks the rules loses its connection; its neighbour and the daemon do not notice."""
import contextlib
import fcntl
import os
import socket
import struct
import sys
import tempfile
from random import Random

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import vhost_user
import wire
from packed_ring import F_AVAIL, F_USED, WRAP
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


def call_blocks(fe):
    """The call eventfd is shared with us: it can be made to block its writer at any time."""
    ring = fe.tx[0]
    ring.wait_call(5)  # each start begins with one: else the next line but one would block us
    fcntl.fcntl(ring.call_fd, fcntl.F_SETFL, fcntl.fcntl(ring.call_fd, fcntl.F_GETFL) & ~os.O_NONBLOCK)
    os.eventfd_write(ring.call_fd, 2**64 - 2)
    ring.arm()
    ring.send(bytes(60))


def tx_zero_lengths(fe):
    """A chain of nothing, as long as the ring allows, again and again."""
    ring, gpa = fe.tx[0], fe.mem.regions[0].gpa
    for i in range(ring.num):
        ring.raw_desc(i, gpa, 0, F_NEXT, (i + 1) % ring.num)
    for _ in range(ring.num - 1):
        ring.raw_avail(0)


def packed_rx_outside(fe):
    for _ in range(64):
        fe.rx[0].raw_offer(BAD_GPA, 4096, F_WRITE)


def packed_rx_read_only(fe):
    for _ in range(64):
        fe.rx[0].raw_offer(fe.mem.regions[0].gpa, 4096)


def packed_rx_no_end(fe):
    for _ in range(64):
        fe.rx[0].raw_offer(fe.mem.regions[0].gpa, 0, F_WRITE | F_NEXT)


def packed_tx_outside(fe):
    fe.tx[0].raw_offer(2**64 - 16, 100)


def packed_tx_writable(fe):
    fe.tx[0].raw_offer(fe.mem.regions[0].gpa, 100, F_WRITE)


def packed_tx_loop(fe):
    """The whole ring is one chain."""
    for _ in range(fe.tx[0].num):
        fe.tx[0].raw_offer(fe.mem.regions[0].gpa, 0, F_NEXT)


def packed_tx_indirect_nested(fe):
    table = fe.mem.alloc(32)
    fe.mem.write(table, struct.pack('<QIHH', table, 16, 0, F_INDIRECT) * 2)
    fe.tx[0].raw_offer(table, 32, F_INDIRECT)


def packed_tx_indirect_in_chain(fe):
    table = fe.mem.alloc(32)
    fe.tx[0].raw_chain((table, 12, F_NEXT), (table, 32, F_INDIRECT))


def packed_base_beyond(fe):
    fe.send_raw(vhost_user.SET_VRING_BASE, struct.pack('<II', fe.rx[0].index, WRAP | fe.rx[0].num))


def breaks_and_leaves(fe):
    """Hangs up while it is being reset."""
    tx_avail_jumps(fe)
    fe.disconnect()


ATTACKS = [
    (rx_avail_jumps, 'avail index jumped'),
    (rx_id_beyond, 'descriptor number beyond the ring'),
    (rx_outside, 'buffer outside of shared memory'),
    (rx_wraps, 'buffer outside of shared memory'),
    (rx_read_only, 'buffer has the wrong direction'),
    (rx_loop, 'descriptor chain too long, a loop, or without an end'),
    (tx_avail_jumps, 'avail index jumped'),
    (tx_id_beyond, 'descriptor number beyond the ring'),
    (tx_outside, 'buffer outside of shared memory'),
    (tx_loop, 'descriptor chain too long, a loop, or without an end'),
    (tx_writable, 'buffer has the wrong direction'),
    (tx_no_header, 'no room for the virtio-net header'),
    (tx_indirect_nested, 'bad indirect descriptor'),
    (tx_indirect_odd, 'bad indirect descriptor'),
    (memory_shrinks, 'shared memory was shrunk'),
    (call_blocks, 'call eventfd blocks'),
    (tx_zero_lengths, 'descriptor chain too long, a loop, or without an end'),
    (packed_rx_outside, 'buffer outside of shared memory'),
    (packed_rx_read_only, 'buffer has the wrong direction'),
    (packed_rx_no_end, 'descriptor chain too long, a loop, or without an end'),
    (packed_tx_outside, 'buffer outside of shared memory'),
    (packed_tx_writable, 'buffer has the wrong direction'),
    (packed_tx_loop, 'descriptor chain too long, a loop, or without an end'),
    (packed_tx_indirect_nested, 'bad indirect descriptor'),
    (packed_tx_indirect_in_chain, 'bad indirect descriptor'),
    (packed_base_beyond, 'ring base beyond the ring'),
]


def attack(t, d, what, reason, mapping):
    name = f'{what.__name__}, mapping = {mapping}'
    resets = evil(d)['resets']
    with vhost_user.Frontend(d.dir + '/evil.sock', packed=what.__name__.startswith('packed')) as fe:
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


def flips_flags(t, d):
    """What a packed ring holds is offered again, and taken back, at random. Sooner or later that may cost it the connection:
    used lengths are taken for buffer lengths."""
    random = Random(1)
    with vhost_user.Frontend(d.dir + '/evil.sock', packed=True) as fe:
        wait_for(lambda: connects(fe), 5, 'the socket to be back')
        fe.start()
        rx, tx = fe.rx[0], fe.tx[0]
        rx.post(size=2176)
        for _ in range(tx.num):
            tx.raw_offer(fe.mem.alloc(128), 128)
        wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the ring to work')
        for _ in range(20000):
            ring = random.choice((rx, tx))
            ring.raw_flags(random.randrange(ring.num),
                           random.choice((F_AVAIL, F_USED)) | (F_WRITE if ring is rx else 0))
        fe.disconnect()
        wait_for(lambda: evil(d)['ring_pairs_working'] == 0, 5, 'the ring to be taken back')

        def works():
            return evil(d)['ring_pairs_working'] == 1 or fe.hung_up() and connects(fe) and fe.start()
        for ring in fe.rings:
            ring.reset()
        wait_for(works, 10, 'the ring to work again')
        t.ok(True, 'flags flipped: the rings were taken back, and work again')


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


def refused(d, send):
    """True if the daemon hangs up on what send(front end) sends on a working connection."""
    with vhost_user.Frontend(d.dir + '/evil.sock') as fe:
        fe.start()
        wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the ring to work')
        send(fe)
        return fe.hung_up(5)


def nb_fds(d):
    return len(os.listdir(f'/proc/{d.pid}/fd'))


def messages_not_offered(t, d):
    with tempfile.TemporaryFile() as on_disk, tempfile.TemporaryFile() as junk:
        on_disk.truncate(1 << 20)
        table = struct.pack('<IIQQQQ', 1, 0, 0, 1 << 20, 1 << 40, 0)
        fds = [junk.fileno()] * 8
        before = nb_fds(d)
        for name, send in {
            'SET_INFLIGHT_FD': lambda fe: fe.send_raw(32, struct.pack('<QQHH', 4096, 0, 2, 65535), fds[:1]),
            'GET_INFLIGHT_FD': lambda fe: fe.send_raw(31, struct.pack('<QQHH', 0, 0, 65535, 65535)),
            'POSTCOPY_LISTEN': lambda fe: fe.send_raw(29),
            'SET_LOG_BASE': lambda fe: fe.send_raw(6, struct.pack('<QQ', 4096, 0), fds[:1]),
            'a number that does not exist': lambda fe: fe.send_raw(1000, b'', fds),
            'SET_VRING_NUM of a ring beyond': lambda fe: fe.send_raw(8, struct.pack('<II', 2, 256), fds),
            'SET_VRING_CALL of a ring beyond': lambda fe: fe.send_raw(13, struct.pack('<Q', 7), fds[:1]),
            'SET_MEM_TABLE with a file on a disk': lambda fe: fe.send_raw(5, table, [on_disk.fileno()]),
        }.items():
            t.ok(refused(d, send), f'{name}: the connection is closed', d.tail(5))

        with vhost_user.Frontend(d.dir + '/evil.sock') as fe:
            fe.start()
            for _ in range(100):
                fe.send_raw(vhost_user.GET_QUEUE_NUM, b'', fds)
                fe.recv_raw()
                fe.send_raw(vhost_user.RESET_OWNER, b'', fds)
            fe.sync()
            wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the ring to work')
            t.ok(True, 'GET_QUEUE_NUM and RESET_OWNER with descriptors: harmless')
        wait_for(lambda: nb_fds(d) <= before, 5, 'descriptors to be closed')
        t.ok(True, 'no descriptor of all these is left open')


def half_a_message(t, d):
    """A message that does not end must not keep the others from being heard."""
    with vhost_user.Frontend(d.dir + '/evil.sock') as fe:
        fe.connect()
        fe.sock.sendall(struct.pack('<III', vhost_user.SET_FEATURES, 1, 8) + b'abc')
        t.ok(fe.hung_up(5), 'half a message: the connection is closed after a while')


def huge_memory(t, d):
    """A promise of more memory than there is, taken back."""
    with vhost_user.Frontend(d.dir + '/evil.sock', memory=((1 << 24), (1 << 42, 1 << 44, 1 << 46))) as fe:
        fe.start()
        wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the ring to work')
        resets = evil(d)['resets']
        fe.shrink(1, 0)
        fe.rx[0].raw_desc(0, 1 << 44, 4096, F_WRITE)
        offer(fe.rx[0], 0)
        t.ok(fe.hung_up(5) and evil(d)['resets'] == resets + 1, 'four terabytes that vanish: reset', d.tail(5))


def call_swapped(t, d):
    """The worker hangs in one eventfd, and the container puts another in its place, or takes the ring away."""
    def turns():
        return d.telemetry('/vfring/workers,1')['turns']

    for name, then in (('another eventfd', lambda fe: fe.set_vring_call(fe.tx[0], os.eventfd(0))),
                       ('new memory', lambda fe: fe.set_mem_table())):
        with vhost_user.Frontend(d.dir + '/evil.sock') as fe:
            wait_for(lambda: connects(fe), 5, 'the socket to be back')
            fe.start()
            wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the ring to work')
            call_blocks(fe)
            try:
                then(fe)
            except (OSError, vhost_user.VhostError):
                pass  # reset already
            begin = turns()
            wait_for(lambda: turns() > begin + 1000, 5, f'the worker to go on after {name}')
        t.ok(True, f'a worker that hangs goes on after {name}')
        wait_for(lambda: evil(d)['connected'] == 0, 5, 'it to be gone')


def leaves_while_reset(t, d):
    for _ in range(5):
        with vhost_user.Frontend(d.dir + '/evil.sock') as fe:
            wait_for(lambda: connects(fe), 5, 'the socket to be back')
            fe.start()
            wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the ring to work')
            breaks_and_leaves(fe)
        wait_for(lambda: evil(d)['connected'] == 0, 5, 'it to be gone')


def successor_stays(t, d):
    """It breaks its ring and hangs up, and the next one waits already: that one is not to suffer for it. If the hang-up comes
    first, there is no fault; if the tick does, it is reset like any other, with both: then once more."""
    for _ in range(10):
        with vhost_user.Frontend(d.dir + '/evil.sock') as first, vhost_user.Frontend(d.dir + '/evil.sock') as second:
            wait_for(lambda: connects(first), 5, 'the socket to be back')
            first.start()
            wait_for(lambda: evil(d)['ring_pairs_working'] == 1, 5, 'the first to work')
            before = evil(d)
            second.connect()
            wait_for(lambda: evil(d)['connections'] > before['connections'], 5, 'the second to be known')
            breaks_and_leaves(first)
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                second.start()
                second.rx[0].post(size=2176)
                wait_for(lambda: second.hung_up() or second.rx[0].used_idx != 0, 5, 'the second to get a packet')
            if not second.hung_up() and evil(d)['resets'] > before['resets']:
                t.ok(True, 'a container that breaks its ring and leaves: its successor stays')
                return
        wait_for(lambda: evil(d)['connected'] == 0, 5, 'both to be gone')
    t.ok(False, 'a container that breaks its ring and leaves: its successor stays', str(evil(d)))


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
                t.run(flips_flags, t, d)
                wait_for(lambda: listening(d.dir + '/evil.sock'), 5, 'the socket to be back')
                t.run(send_junk, t, d, name=f'junk messages, mapping = {mapping}')
                t.run(messages_not_offered, t, d)
                t.run(half_a_message, t, d)
                t.run(huge_memory, t, d)
                t.run(call_swapped, t, d)
                t.run(leaves_while_reset, t, d, name='it hangs up while it is being reset')
                wait_for(lambda: listening(d.dir + '/evil.sock'), 5, 'the socket to be back')
                t.run(successor_stays, t, d)
                wait_for(lambda: evil(d)['connected'] == 0 and listening(d.dir + '/evil.sock'), 5, 'the socket to be free')
                t.run(connects_many, t, d, name='three connections')
                r = wire.echo_compare(net.peer, range(60, 1515, 5), netns=net.name)
                t.ok(r['ok'], f'the neighbour works as before, mapping = {mapping}', str(r))
                c = d.telemetry('/vfring/containers,good')
                t.ok(c['resets'] == 0 and c['connections'] == 1, 'the neighbour was never disturbed', str(c))
                t.ok(d.alive, 'the daemon lives', d.tail())
    return t.status


sys.exit(main())
