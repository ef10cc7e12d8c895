#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A side goes away under traffic and comes back: the container by kill -9, the daemon by TERM and by kill -9."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import wire
from rig import Daemon, Netns, Testpmd, one_container, wait_for
from tap import Tap

RATE = 2000


def container(d):
    return d.telemetry('/vfring/containers,web0')


def working(d):
    c = container(d)  # None: EAL answers already, the switch does not yet
    return c is not None and c['ring_pairs_working'] == 1


class Traffic:
    """Frames at a steady rate in the background, until the block ends."""

    def __init__(self, net):
        self.net, self.end, self.result = net, threading.Event(), None

    def __enter__(self):
        def run():
            self.result = wire.blast(self.net.peer, RATE, 60, size=300, netns=self.net.name, stop=self.end)
        self.thread = threading.Thread(target=run)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.end.set()
        self.thread.join(30)


def check_clean(t, net, name):
    r = wire.echo_compare(net.peer, range(60, 1515, 7), netns=net.name)
    t.ok(r['ok'], f'{name}: afterwards every frame comes back unchanged', str(r))


def check_damage(t, traffic, name):
    r = traffic.result
    t.ok(r['returned'] > 0 and r['corrupted'] == r['duplicated'] == r['reordered'] == 0,
         f'{name}: what came back meanwhile was whole, in order and once', str(r))


def container_restarts(t, net, mapping, vdev=''):
    name = f'container killed, mapping = {mapping}{vdev and f", {vdev}"}'
    with Daemon(one_container(net, mapping=mapping)) as d:
        path = d.dir + '/web0.sock'
        with Traffic(net) as traffic:
            # The second one connects while the first one's death may not have been noticed yet.
            for n in range(4):
                with Testpmd(path, vdev=vdev, lcores='0@0,1@0') as pmd:
                    wait_for(lambda: working(d), 10, 'the ring to work')
                    wait_for(lambda: pmd.stats()['TX-packets'] > 200, 10, 'packets through the container')
                    pmd.kill9()
            with Testpmd(path, vdev=vdev, lcores='0@0,1@0') as pmd:
                wait_for(lambda: working(d) and pmd.stats()['TX-packets'] > 200, 10, 'traffic after the last restart')
                traffic.end.set()
                traffic.thread.join(30)
                check_damage(t, traffic, name)
                check_clean(t, net, name)
                c = container(d)
                t.ok(c['connections'] == 5 and c['resets'] == 0, f'{name}: five connections, none reset', str(c))
                t.ok(c['rx_packets'] == c['rx_mapped'] + c['rx_copied'] +
                     sum(v for k, v in c.items() if k.startswith('rx_drop_')),
                     f'{name}: every packet received is accounted for', str(c))


def daemon_restarts(t, net, how, mapping, vdev=''):
    name = f'daemon {how}, mapping = {mapping}{vdev and f", {vdev}"}'
    with Daemon(one_container(net, mapping=mapping, socket_mode='client')) as d:
        # The container listens: its socket outlives the daemon.
        with Testpmd(d.dir + '/web0.sock', vdev=f'server=1{vdev and "," + vdev}', lcores='0@0,1@0', forward=None,
                     limit=30) as pmd:
            pmd.command('set fwd macswap')
            pmd.command('start')
            wait_for(lambda: working(d), 10, 'the ring to work')
            check_clean(t, net, f'{name}: before')
            with Traffic(net) as traffic:
                before = pmd.stats()['TX-packets']
                wait_for(lambda: pmd.stats()['TX-packets'] > before + 200, 10, 'traffic')
                if how == 'killed':
                    d.kill9()
                else:
                    d.stop(5)
                d.start()
                wait_for(lambda: working(d), 10, 'the ring to work again')
                before = pmd.stats()['TX-packets']
                wait_for(lambda: pmd.stats()['TX-packets'] > before + 200, 10, 'traffic again')
            check_damage(t, traffic, name)
            check_clean(t, net, name)


with Tap() as t, Netns('vft-restart', host='vft-r0') as net:
    for mapping in ('auto', 'off'):
        t.run(container_restarts, t, net, mapping, name=f'container restart, mapping = {mapping}')
        for how in ('stopped', 'killed'):
            t.run(daemon_restarts, t, net, how, mapping, name=f'daemon {how}, mapping = {mapping}')
    t.run(container_restarts, t, net, 'auto', 'packed_vq=1', name='container restart, packed')
    for how in ('stopped', 'killed'):
        t.run(daemon_restarts, t, net, how, 'auto', 'packed_vq=1', name=f'daemon {how}, packed')
sys.exit(t.status)
