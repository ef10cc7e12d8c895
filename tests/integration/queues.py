#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Several queues on one port, whose driver cannot stop one alone: two pairs of one container, two containers, two workers."""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import vhost_user
import wire
from rig import Daemon, Netns, wait_for
from tap import Tap

FLOWS = 64


def frame(mac, flow, size=200):
    """A UDP packet of one of FLOWS flows: the kernel's fan-out sorts by addresses and ports."""
    udp = struct.pack('!HHHH', 1000 + flow, 2000 + flow, size - 34, 0)
    ip = struct.pack('!BBHHHBBHII', 0x45, 0, size - 14, flow, 0, 64, 17, 0, 0x0a000001, 0x0a000002 + flow)
    ip = ip[:10] + struct.pack('!H', wire.checksum(ip)) + ip[12:]
    return (b'\x02\0\0\0\0\1' + mac + b'\x08\0' + ip + udp).ljust(size, bytes([flow]))


def config(net, containers):
    return {
        # One worker: this machine's other CPU runs the test.
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 128},
        'port wire0': {'device': f'net_af_packet0,iface={net.host},qpairs=2', 'queues': 2},
        **containers,
    }


def state(d, queue):
    return d.telemetry(f'/vfring/queues,wire0:{queue}')


def arrived(d):
    """Packets on both queues, whoever gets them."""
    return sum(state(d, q)['rx_packets'] for q in (0, 1))


def receive_all(rings, want, limit=10):
    got, end = [[] for _ in rings], time.monotonic() + limit
    while sum(map(len, got)) < want and time.monotonic() < end:
        for ring, packets in zip(rings, got):
            packets += ring.poll()
    return got


def two_pairs(t, net):
    containers = {'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0', 'queues': 2}}
    with Daemon(config(net, containers)) as d, vhost_user.Frontend(d.dir + '/web0.sock', queues=2) as fe, \
            wire.Wire(net.peer, net.name) as w:
        fe.start(vhost_user.DEFAULT_FEATURES | vhost_user.NET_MQ)
        t.equal(fe.queue_num, 2, 'as many pairs are offered as the container has')
        for ring in fe.rx:
            ring.post(size=2176)
        wait_for(lambda: all(state(d, q)['state'] == 'mapped' for q in (0, 1)), 10, 'both rings to be mapped')
        sent = [frame(w.mac, n) for n in range(FLOWS)]
        for f in sent:
            w.send(f)
        got = receive_all(fe.rx, FLOWS)
        t.ok(sorted(bytes(p) for ring in got for p in ring) == sorted(sent) and all(got),
             'every packet arrives once, on both rings', f'{[len(g) for g in got]} {state(d, 0)} {state(d, 1)}')
        for q, ring in enumerate(fe.tx):
            for n in range(10):
                ring.send(frame(w.mac, 10 * q + n))
        back = set()
        while (f := w.recv(10 if len(back) < 20 else 0.2)) is not None:
            back.add(f)
        t.ok(back == {frame(w.mac, n) for n in range(20)}, 'packets sent on both rings reach the wire', f'{len(back)} of 20')
        # One pair goes and comes back; its neighbour on the same device is suspended meanwhile, not stopped.
        starts = state(d, 0)['starts']
        fe.set_vring_enable(fe.rx[1], False)
        wait_for(lambda: state(d, 1)['state'] in ('paused', 'drain'), 5, 'the second pair to stop')
        fe.set_vring_enable(fe.rx[1], True)
        wait_for(lambda: state(d, 1)['state'] == 'mapped', 5, 'the second pair to work again')
        t.ok(state(d, 0)['state'] == 'mapped' and state(d, 0)['starts'] == starts, 'the first pair was not restarted')


def fewer_pairs(t, net):
    containers = {'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0', 'queues': 2}}
    with Daemon(config(net, containers)) as d, vhost_user.Frontend(d.dir + '/web0.sock', queues=1) as fe:
        fe.start()
        wait_for(lambda: state(d, 0)['state'] == 'mapped', 10, 'the first ring to be mapped')
        wait_for(lambda: state(d, 1)['state'] == 'drain', 10, 'the second queue to be drained')
        t.ok(True, 'a container may start fewer pairs than it is offered')


def two_containers(t, net):
    containers = {f'container web{q}': {'socket': f'{{dir}}/web{q}.sock', 'port': f'wire0:{q}'} for q in (0, 1)}
    with Daemon(config(net, containers)) as d, vhost_user.Frontend(d.dir + '/web0.sock') as a, \
            wire.Wire(net.peer, net.name) as w:
        a.start()
        a.rx[0].post(size=2176)
        wait_for(lambda: state(d, 0)['state'] == 'mapped', 10, 'the first container to work')
        # The flows that fan-out gives to the first container's queue.
        before = arrived(d)
        for n in range(FLOWS):
            w.send(frame(w.mac, n))
        wait_for(lambda: arrived(d) >= before + FLOWS, 10, 'all flows to arrive')
        turns = d.telemetry('/vfring/workers,1')['turns']
        wait_for(lambda: d.telemetry('/vfring/workers,1')['turns'] > turns + 1, 10, 'them to be shown to the container')
        mine = {p[-1] for p in a.rx[0].poll()}
        t.ok(0 < len(mine) < FLOWS, 'the first container gets its queue only', str(sorted(mine)))
        lost = rounds = 0
        for _ in range(5):
            # The device is stopped and started for the neighbour, twice a round.
            with vhost_user.Frontend(d.dir + '/web1.sock') as b:
                b.start()
                b.rx[0].post(size=2176)
                wait_for(lambda: state(d, 1)['state'] == 'mapped', 10, 'the second container to work')
                for flow in mine:
                    w.send(frame(w.mac, flow))
                b.disconnect()
                for flow in mine:
                    w.send(frame(w.mac, flow))
                want = 2 * len(mine)
                lost += want - len(receive_all(a.rx, want)[0])
                rounds += 1
                wait_for(lambda: state(d, 1)['state'] == 'drain', 10, 'the second container to be gone')
        c = d.telemetry('/vfring/containers,web0')
        t.ok(lost == 0 and c['resets'] == 0 and state(d, 0)['starts'] == 1,
             f'{rounds} restarts of a neighbour on the same device cost the first one nothing', f'{lost} lost\n{c}\n{d.tail()}')


with Tap() as t, Netns('vft-queues', host='vft-q0') as net:
    t.run(two_pairs, t, net)
    t.run(fewer_pairs, t, net)
    t.run(two_containers, t, net)
sys.exit(t.status)
