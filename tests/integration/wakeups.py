#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 600 s
"""A million single packets to containers that sleep: no wake-up is lost, whenever the container armed its ring."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import rig
import vhost_user
import wire
from rig import Daemon, Netns, load_simvf, wait_for
from tap import Skip, Tap

PEER = os.path.join(rig.ROOT, 'build/tests/peer-wakeups')
WORKER_CPU = 1
BUF_SIZE = 2304  # wakeups.c

# What a container negotiates: the kind of ring for the peer, and features.
RINGS = {
    'flags': ('split', vhost_user.DEFAULT_FEATURES),
    'EVENT_IDX': ('split', vhost_user.DEFAULT_FEATURES | vhost_user.EVENT_IDX),
    'packed, flags': ('packed', vhost_user.DEFAULT_FEATURES),
    'packed, EVENT_IDX': ('packed', vhost_user.DEFAULT_FEATURES | vhost_user.EVENT_IDX),
}
# Where packets come from: device, `mapping`, and the modes of rx and tx that follow. From a veth; from the container
# itself, by a simulated VF or a ring; from nowhere, and what it sends is gone.
PORTS = {
    'wire': ('net_af_packet0,iface={host}', 'auto', 'mapped', 'mapped'),
    'loop': (f'net_simvf0,wire=peer:net_simvf0,mac={wire.PEER_MAC.hex(":")}', 'rx', 'mapped', 'copied'),
    'loop-copied': ('net_ring0', 'off', 'copied', 'copied'),
    'null': ('net_null0,no-rx=1', 'auto', 'mapped', 'mapped'),
    'null-copied': ('net_null1,no-rx=1', 'off', 'copied', 'copied'),
}
# ring, port, the ring it sleeps on, order of arming and sending (see wakeups.c), packets
VARIANTS = [(ring, *rest) for ring in RINGS for rest in (
    ('wire', 'rx', 'armed', 10000),
    ('wire', 'rx', 'race', 10000),
    ('loop', 'rx', 'armed', 10000),
    ('loop', 'rx', 'race', 90000),
    ('loop-copied', 'rx', 'armed', 10000),
    ('loop-copied', 'rx', 'race', 90000),
    ('null', 'tx', 'race', 25000),
    ('null-copied', 'tx', 'race', 25000),
)]


def arguments(fe, kind, wake, order, count, wire_fd):
    """The peer's command line, and the descriptors that it inherits."""
    region = fe.mem.regions[0]
    value = {'mem_fd': region.fd, 'mem_size': region.size, 'mem_gpa': region.gpa,
             'event_idx': int(bool(fe.features & vhost_user.EVENT_IDX)), 'num': fe.rx[0].num}
    for name, ring in (('rx', fe.rx[0]), ('tx', fe.tx[0])):
        bufs = fe.mem.alloc(ring.num * BUF_SIZE)
        for part, at in (('desc', ring.desc), ('avail', ring.avail), ('used', ring.used), ('bufs', bufs)):
            value[f'{name}_{part}'] = at - region.gpa
        value[f'{name}_call_fd'] = ring.call_fd
    value.update(wire_fd=wire_fd, count=count)
    fds = [region.fd, fe.rx[0].call_fd, fe.tx[0].call_fd] + ([wire_fd] if wire_fd else [])
    return [PEER, kind, order, wake, *(f'{k}={v}' for k, v in value.items())], fds


def run_peer(argv, fds, mapped):
    """What it found, or what it says is wrong."""
    with subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', '--', *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, pass_fds=fds) as p:
        try:
            if p.stdout.readline() != 'ready\n':
                raise RuntimeError(f'{argv}: {p.stderr.read()}')
            mapped()
            out, err = p.communicate('x', timeout=120)
        finally:
            p.kill()
    return p.returncode, json.loads(out), err


def wakeups(t, net, d, ring, port, wake, order, count):
    name = f'{ring}, {port}, {wake}, {order}'
    kind, features = RINGS[ring]
    modes = PORTS[port][2:]
    packed = kind == 'packed'
    with vhost_user.Frontend(f'{d.dir}/{port}.sock', packed=packed, ring_size=257 if packed else 256) as fe, \
            wire.Wire(net.peer, net.name) as w:
        def container():
            return d.telemetry(f'/vfring/containers,{port}')

        def calls():
            return container()[f'{wake}_notifications'] - before

        def works():
            c = container()
            return (c['rx_mode'], c['tx_mode']) == modes

        w.sock.setblocking(True)
        fe.start(features)
        argv, fds = arguments(fe, kind, wake, order, count, w.sock.fileno() if port == 'wire' else 0)
        before = container()[f'{wake}_notifications']
        code, r, err = run_peer(argv, fds, lambda: wait_for(works, 10, f'its rings to be {modes}'))
        t.diag(f'{name}: {r["received"]} in {r["seconds"]} s, {r["slept"]} sleeps, {r["spurious"]} of them for nothing; '
               f'there at once {r["seen_at_once"]}, there when armed {r["seen_armed"]}')
        t.ok(code == 0 and r['received'] == count, f'{name}: {count} single packets, no wake-up lost',
             f'{err}\n{r}\n{container()}')
        if order == 'armed':
            # The worker counts a call behind it: the last one may still be missing.
            wait_for(lambda: calls() >= count, 5, lambda: f'{count} calls, not {calls()}')
            t.ok(r['slept'] - r['spurious'] == calls() == count, f'{name}: one call for each', f'{calls()} calls\n{r}')
        elif port != 'wire':
            # Else it was no race. On a wire it may be none: a packet can be there before the system call that sends it
            # returns, always, and no delay is short enough then.
            t.ok(min(r['slept'], r['seen_armed']) > count / 1000, f'{name}: it came before and after the container slept',
                 f'{r}')


def config(net, ports, plugin):
    c = {'switch': {'workers': WORKER_CPU, 'hugepages': 'off', 'memory': 128, **plugin}}
    for port in ports:
        device, mapping, *_ = PORTS[port]
        c[f'port {port}'] = {'device': device.format(host=net.host)}
        c[f'container {port}'] = {'socket': f'{{dir}}/{port}.sock', 'port': port, 'mapping': mapping}
    return c


with Tap() as t, Netns('vft-wakeups', host='vft-u0') as net:
    if os.cpu_count() > 1:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {WORKER_CPU})
    ports, plugin = set(PORTS), {}
    try:
        plugin = load_simvf()
    except Skip as e:
        ports.remove('loop')
        t.skip('mapped, the container\'s own packets', str(e))
    with Daemon(config(net, ports, plugin)) as d:
        for v in VARIANTS:
            if v[1] in ports:
                t.run(wakeups, t, net, d, *v, name=', '.join(map(str, v)))
sys.exit(t.status)
