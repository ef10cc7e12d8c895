#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of ring a container may bring: split, packed, headers, chains, tables, short buffers; mapped where possible, else
copied with the reason, each packet's bytes compared."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import wire
from rig import Daemon, Netns, one_container, wait_for
from tap import Tap
from vhost_user import EVENT_IDX, IN_ORDER, INDIRECT, MRG_RXBUF, PROTOCOL_FEATURES, RING_PACKED, VERSION_1, Frontend

SIZES = [*range(60, 140), *range(140, 1515, 53), 1514]

# name, features, ring size, receive buffers (size, descriptors), state, reason
RECEIVE = [
    ('10-byte header', 0, 256, (2176, 1), 'mapped', ''),
    ('10-byte header, header in a descriptor of its own', 0, 256, 'split', 'copied', 'buffers are descriptor chains'),
    ('12-byte header', VERSION_1, 256, (2176, 1), 'mapped', ''),
    ('mergeable', VERSION_1 | MRG_RXBUF, 256, (2176, 1), 'mapped', ''),
    ('in-order, EVENT_IDX', VERSION_1 | MRG_RXBUF | IN_ORDER | EVENT_IDX, 256, (2176, 1), 'mapped', ''),
    ('ring of 1024', VERSION_1, 1024, (2176, 1), 'mapped', ''),
    ('ring of 128', VERSION_1 | MRG_RXBUF, 128, (2176, 1), 'copied', 'ring has less than twice rx_desc entries'),
    ('ring of 2', VERSION_1 | MRG_RXBUF, 2, (2176, 1), 'copied', 'ring has less than twice rx_desc entries'),
    ('buffers of 1526 bytes, as Linux posts them', VERSION_1, 256, (1526, 1), 'copied',
     'buffers shorter than the NIC queue needs'),
    ('mergeable buffers of 256 bytes', VERSION_1 | MRG_RXBUF, 256, (256, 1), 'copied',
     'buffers shorter than the NIC queue needs'),
    ('chains of three', VERSION_1, 256, (600, 3), 'copied', 'buffers are descriptor chains'),
    ('packed', VERSION_1 | RING_PACKED, 256, (2176, 1), 'mapped', ''),
    ('packed, 10-byte header', RING_PACKED, 256, (2176, 1), 'mapped', ''),
    ('packed, mergeable, in-order, EVENT_IDX', VERSION_1 | MRG_RXBUF | IN_ORDER | EVENT_IDX | RING_PACKED, 1024, (2176, 1),
     'mapped', ''),
    ('packed ring of 257', VERSION_1 | RING_PACKED, 257, (2176, 1), 'mapped', ''),
    ('packed ring of 255', VERSION_1 | MRG_RXBUF | RING_PACKED, 255, (2176, 1), 'copied',
     'ring has less than twice rx_desc entries'),
    ('packed ring of 3', VERSION_1 | RING_PACKED, 3, (2176, 1), 'copied', 'ring has less than twice rx_desc entries'),
    ('packed, header in a descriptor of its own', VERSION_1 | RING_PACKED, 256, 'split', 'copied',
     'buffers are descriptor chains'),
    ('packed, mergeable buffers of 256 bytes', VERSION_1 | MRG_RXBUF | RING_PACKED, 300, (256, 1), 'copied',
     'buffers shorter than the NIC queue needs'),
    ('packed, chains of three', VERSION_1 | RING_PACKED, 256, (600, 3), 'copied', 'buffers are descriptor chains'),
    ('packed, mergeable chains of three short ones', VERSION_1 | MRG_RXBUF | RING_PACKED, 256, (100, 3), 'copied',
     'buffers are descriptor chains'),
]

SEND = [
    ('single descriptor', {}),
    ('header and data', {'layout': 'chain'}),
    ('indirect', {'layout': 'indirect'}),
    ('header cut in two, data in three', {'cuts': (5, 12, 20, 50)}),
    ('indirect, in pieces', {'layout': 'indirect', 'cuts': (12, 20, 50)}),
]


def queue(d):
    return d.telemetry('/vfring/queues,wire0:0')


def post(fe, buffers):
    if buffers == 'split':
        for _ in range(fe.rx[0].num // 2):
            fe.rx[0].post_at((fe.mem.alloc(16), fe.rx[0].header), (fe.mem.alloc(2048), 2048))
    else:
        fe.rx[0].post(size=buffers[0], chain=buffers[1])


def receive(t, d, w, name, features, ring_size, buffers, state, why):
    with Frontend(d.dir + '/web0.sock', ring_size=ring_size, packed=bool(features & RING_PACKED)) as fe:
        fe.start(features)
        post(fe, buffers)
        wait_for(lambda: queue(d)['state'] == state and queue(d)['why_copied'] == why, 5,
                 lambda: f'the ring to be {state} ({why}): {queue(d)}')
        frames = wire.Frames(w.mac)
        bad = []
        for n, size in enumerate(SIZES):
            sent = frames.addresses + frames.make(n, size)
            w.send(sent)
            got = fe.rx[0].receive(1, 10)
            if [bytes(p) for p in got] != [sent]:
                bad.append((size, [len(p) for p in got]))
        t.ok(not bad, f'receive: {name}: {state}, every byte is right', f'{bad[:5]}\n{queue(d)}\n{d.tail(5)}')


def send(t, d, w, kind, ring_size):
    name = f'send, {kind}, {ring_size} entries'
    with Frontend(d.dir + '/web0.sock', ring_size=ring_size, packed=kind == 'packed') as fe:
        fe.start(VERSION_1 | MRG_RXBUF | INDIRECT)
        wait_for(lambda: queue(d)['state'] in ('mapped', 'copied'), 5, 'the ring to work')
        frames = wire.Frames(w.mac)
        for what, how in SEND:
            bad = []
            for n, size in enumerate(SIZES):
                sent = frames.addresses + frames.make(n, size)
                fe.tx[0].send(sent, **how)
                if w.recv(10) != sent:
                    bad.append(size)
            t.ok(not bad and fe.tx[0].wait_done(), f'{name}: {what}: every byte is right',
                 f'{bad[:5]} {queue(d)}')

        before = queue(d)
        fe.tx[0].send(frames.addresses + b'\x88\xb5' + b'x' * 6)
        got = w.recv(10)
        t.ok(got == (frames.addresses + b'\x88\xb5' + b'x' * 6).ljust(60, b'\0'),
             f'{name}: short frames are padded with zeroes', str(got))
        fe.tx[0].send(b'x' * 13)
        fe.tx[0].send(b'x' * 3000)
        ok = fe.tx[0].wait_done()
        wait_for(lambda: queue(d)['tx_drop_size'] == before['tx_drop_size'] + 2, 2, 'the drops to be counted')
        t.ok(ok and queue(d)['tx_packets'] == before['tx_packets'] + 1,
             f'{name}: runts and giants are completed, dropped and counted', str(queue(d)))


def features(t, d):
    with Frontend(d.dir + '/web0.sock') as fe:
        fe.connect()
        offered = fe.get_features()
        want = VERSION_1 | MRG_RXBUF | IN_ORDER | EVENT_IDX | INDIRECT | RING_PACKED | PROTOCOL_FEATURES
        t.ok(offered & want == want and not offered & 0x7f81, 'what is offered, and no offloads', hex(offered))


def many(t, d, w):
    t.run(features, t, d)
    for case in RECEIVE:
        t.run(receive, t, d, w, *case, name=f'receive: {case[0]}')
        wait_for(lambda: d.telemetry('/vfring/containers,web0')['connected'] == 0, 5, 'it to be gone')
    for kind, ring_size in (('split', 256), ('packed', 256), ('packed', 255), ('packed', 7)):
        t.run(send, t, d, w, kind, ring_size, name=f'send, {kind}, {ring_size} entries')
        wait_for(lambda: d.telemetry('/vfring/containers,web0')['connected'] == 0, 5, 'it to be gone')
    t.ok(d.telemetry('/vfring/containers,web0')['resets'] == 0, 'nobody was reset', d.tail())


with Tap() as t, Netns('vft-rings', host='vft-g0') as net, wire.Wire(net.peer, net.name) as w:
    with Daemon(one_container(net)) as d:
        many(t, d, w)
    config = one_container(net)
    config['port wire0']['rx_desc'] = 64
    with Daemon(config) as d:
        case = ('packed ring of 255, rx_desc = 64', VERSION_1 | MRG_RXBUF | RING_PACKED, 255, (2176, 1), 'mapped', '')
        t.run(receive, t, d, w, *case, name=f'receive: {case[0]}')
sys.exit(t.status)
