#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The simulated VF as others load it: into an unmodified testpmd, and into vfringd with a container behind it. Contents
of all frames through a real interface (a veth). What is inside the driver, the unit tests look at."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import wire
from rig import SIMVF, Daemon, Netns, Testpmd, load_simvf, wait_for
from tap import Tap

SIZES = range(60, 1515)
ENV = {'LD_LIBRARY_PATH': os.path.dirname(SIMVF)}


def switch(vdevs, forward, *args):
    """testpmd between simulated VFs."""
    return Testpmd(vdevs=vdevs, forward=forward, eal=['-d', os.path.basename(SIMVF)], args=args, env=ENV)


def test_forward(t, what, arguments, forward, *args):
    with switch([f'net_simvf{i},{arguments}' for i in range(2)], forward, *args) as p:
        wait_for(lambda: all(p.stats(i)['TX-packets'] > 10000 for i in range(2)), 20, 'packets')
        p.command('stop')
        stats = [p.stats(i) for i in range(2)]
        xstats = [p.xstats(i) for i in range(2)]
        t.ok(all(s['RX-errors'] == s['TX-errors'] == s['RX-nombuf'] == 0 for s in stats), f'testpmd, {what}: no errors',
             str(stats))
        t.ok(all(x['sim_iommu_faults'] == 0 for x in xstats), f'testpmd, {what}: no DMA refused', str(xstats))
        p.command('port stop all')
        p.command('port start all')
        p.command('clear port stats all')
        p.command('start')
        wait_for(lambda: all(p.stats(i)['TX-packets'] > 1000 for i in range(2)), 20, 'packets after a stop and a start')
        t.ok(True, f'testpmd, {what}: stopped and started')


def test_queues_anew(t):
    """More of them, in memory that was allocated after the device was there."""
    with switch(['net_simvf0'], 'io', '--port-topology=loop') as p:
        for command in ('stop', 'port stop 0', 'port config 0 rxq 3', 'port config 0 txq 3', 'port start 0', 'start'):
            p.command(command)
        wait_for(lambda: p.stats()['TX-packets'] > 1000, 20, 'packets')
        t.equal(p.xstats()['sim_iommu_faults'], 0, 'testpmd: queues are set up anew')


def contents(t, net, what):
    for vlan in (None, 5):
        kind = 'tagged' if vlan else 'untagged'
        r = wire.echo_compare(net.peer, SIZES, vlan=vlan, netns=net.name)
        t.ok(r['ok'], f'{what}: {kind} frames of {SIZES[0]} to {SIZES[-1]} bytes come back unchanged', str(r))


def vf_on(net, *more):
    return ','.join([f'net_simvf0,wire=iface:{net.host},mac={wire.PEER_MAC.hex(":")}', *more])


def test_iface(t, net):
    with switch([vf_on(net)], 'macswap', '--port-topology=loop') as p:
        contents(t, net, 'testpmd on an interface')
        t.equal(p.xstats()['sim_filter_drops'], 0, 'testpmd on an interface: all frames were for the device')
        p.command('set promisc 0 off')
        with wire.Wire(net.peer, net.name) as w:
            w.send(b'\x02\0\0\0\0\x77' + w.mac + b'\x88\xb5' + bytes(60))
        wait_for(lambda: p.xstats()['sim_filter_drops'] == 1, 5, 'the MAC filter to drop a frame for somebody else')
        t.ok(True, 'testpmd on an interface: a frame for somebody else is dropped')


def test_daemon(t, net, mapping, modes):
    with Daemon({'switch': {'workers': 1, 'hugepages': 'off', 'memory': 128, **load_simvf()},
                 'port wire0': {'device': vf_on(net, 'tx_lag=8')},
                 'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0', 'mapping': mapping}}) as d, \
            Testpmd(d.dir + '/web0.sock', lcores='0@0,1@0') as container:
        wait_for(lambda: d.telemetry('/vfring/containers,web0')['ring_pairs_working'] == 1, 10, 'the ring to work')
        contents(t, net, f'vfringd, mapping = {mapping}')
        c = d.telemetry('/vfring/containers,web0')
        t.ok(c['rx_mode'] in modes, f'vfringd, mapping = {mapping}: {c["rx_mode"]}', str(c))
        s = d.telemetry('/simvf/stats,net_simvf0')
        t.ok(s['rx_iommu_faults'] == s['tx_iommu_faults'] == s['tx_runts'] == 0,
             f'vfringd, mapping = {mapping}: no DMA refused, no runts', str(s))
        p = d.telemetry('/vfring/ports,wire0')
        t.ok((p['dma_mapped_kib'] > 0) == (mapping != 'off'), f'vfringd, mapping = {mapping}: what is mapped for DMA is counted', str(p))
        container.kill9()
        wait_for(lambda: d.telemetry('/vfring/ports,wire0')['dma_mapped_kib'] == 0, 10, 'the memory to leave the IOMMU')


with Tap() as t:
    load_simvf()
    t.run(test_forward, t, 'descriptors only', 'dma=none', 'io')
    t.run(test_forward, t, 'two queues, copying, all sizes, Tx lag', 'size=60-1514,tx_lag=64', 'macswap', '--rxq=2',
          '--txq=2')
    t.run(test_forward, t, 'imix, paced, stamped', 'size=imix,rate=100000,latency=1', 'io')
    t.run(test_queues_anew, t)
    with Netns('vft-simvf', host='vft-sv0') as net:
        t.run(test_iface, t, net)
        t.run(test_daemon, t, net, 'off', ('copied',))
        t.run(test_daemon, t, net, 'auto', ('mapped',))
sys.exit(t.status)
