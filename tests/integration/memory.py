#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""SET_MEM_TABLE under traffic: a real container whose heap grows, and both ways in which front ends send it."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import vhost_user
import wire
from rig import Daemon, Hugepages, Netns, Testpmd, one_container, wait_for
from tap import Tap


def queue(d):
    return d.telemetry('/vfring/queues,wire0:0')


def working(d):
    return queue(d)['state'] in ('mapped', 'copied')


def check(t, name, r):
    t.ok(r['returned'] > 1000 and r['corrupted'] == r['duplicated'] == r['reordered'] == 0,
         f'{name}: what came back was whole, in order and once', str(r))
    # The NIC's queue keeps what arrives while the ring is taken back.
    t.ok(r['lost'] == 0, f'{name}: nothing was lost', str(r))


def heap_grows(t, net, mapping, vdev=''):
    """A testpmd on hugepages opens a second port, whose queues allocate 8 MiB each: its heap grows, and virtio-user
    sends a new table."""
    name = f'heap grows, mapping = {mapping}{vdev and f", {vdev}"}'
    config = one_container(net, mapping=mapping)
    # Room for all the traffic: what the kernel drops while the worker has no CPU is no loss of the switch.
    config['port wire0']['device'] += ',framecnt=16384'
    with Daemon(config) as d, \
            Testpmd(d.dir + '/web0.sock', vdev=vdev, huge=True, lcores='0@0,1@0') as pmd:
        wait_for(lambda: working(d), 10, 'the ring to work')
        before, end, result = queue(d), threading.Event(), []
        regions = d.telemetry('/vfring/containers,web0')['memory_regions']
        traffic = threading.Thread(target=lambda: result.append(
            wire.blast(net.peer, 1000, 60, size=300, netns=net.name, stop=end, settle=10)))
        traffic.start()
        sent = pmd.telemetry('/ethdev/stats,0')['opackets']
        wait_for(lambda: pmd.telemetry('/ethdev/stats,0')['opackets'] > sent + 500, 10, 'traffic')
        out = pmd.command('port attach net_null0,size=8388608,no-rx=1') + pmd.command('port start 1')
        sent = pmd.telemetry('/ethdev/stats,0')['opackets']
        wait_for(lambda: pmd.telemetry('/ethdev/stats,0')['opackets'] > sent + 500, 10, 'traffic after the growth')
        end.set()
        traffic.join(30)
        after = queue(d)
        t.ok(after['starts'] > before['starts'] and
             d.telemetry('/vfring/containers,web0')['memory_regions'] >= regions,
             f'{name}: the ring was taken back and put to work again', f'{before}\n{after}\n{out}\n{d.tail()}')
        check(t, name, result[0])


def front_end_sends(t, net, style, packed):
    """A front end sends a new table, the way virtio-user does (rings disabled) or QEMU does (live)."""
    name = f'table in the style of {style}{", packed" if packed else ""}'
    with Daemon(one_container(net)) as d, \
            vhost_user.Frontend(d.dir + '/web0.sock', packed=packed, ring_size=300 if packed else 256) as fe:
        fe.start()
        fe.rx[0].post(size=2176)
        wait_for(lambda: queue(d)['state'] == 'mapped', 10, 'the ring to be mapped')
        seen, lost, end = [], [], threading.Event()
        with wire.Wire(net.peer, net.name) as w:
            frames = wire.Frames(w.mac)
            for n in range(400):
                w.send(frames.addresses + frames.make(n, 60 + n))
                if n % 60 == 20:
                    # Buffers are on loan, packets under way; new memory holds the next buffers.
                    (region,) = fe.new_memory(1 << 20, style=style)
                seen += fe.rx[0].poll()
            deadline = time.monotonic() + 5
            while len(seen) < 400 and time.monotonic() < deadline:
                seen += fe.rx[0].poll()
        want = [frames.addresses + frames.make(n, 60 + n) for n in range(400)]
        good = sum(bytes(a) == b for a, b in zip(seen, want))
        t.ok(good == len(seen) == 400, f'{name}: 400 packets across 7 tables, whole and in order',
             f'{len(seen)} received, {good} right; {queue(d)}\n{d.tail()}')
        t.ok(queue(d)['starts'] >= 7, f'{name}: the ring was restarted for the tables', str(queue(d)))


def too_many(t, net):
    """More than eight regions are refused, and cost only that connection."""
    with Daemon(one_container(net)) as d, vhost_user.Frontend(d.dir + '/web0.sock') as fe:
        fe.start()
        wait_for(lambda: working(d), 10, 'the ring to work')
        refused = False
        try:
            fe.new_memory(*[1 << 20] * 9)
        except (vhost_user.VhostError, ConnectionError, OSError):
            refused = True
        t.ok(refused, 'nine regions: refused')
        fe.disconnect()
        with vhost_user.Frontend(d.dir + '/web0.sock') as again:
            again.start()
            wait_for(lambda: working(d), 10, 'the ring to work')
            t.ok(True, 'nine regions: the next connection works')


with Tap() as t, Netns('vft-memory', host='vft-m0') as net:
    with Hugepages(160):
        for mapping in ('auto', 'off'):
            t.run(heap_grows, t, net, mapping, name=f'heap grows, mapping = {mapping}')
        t.run(heap_grows, t, net, 'auto', 'packed_vq=1', name='heap grows, packed')
    for style in ('virtio-user', 'qemu'):
        for packed in (False, True):
            t.run(front_end_sends, t, net, style, packed, name=f'table in the style of {style}')
    t.run(too_many, t, net)
sys.exit(t.status)
