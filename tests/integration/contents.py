#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every byte of every frame: veth -> vfringd -> testpmd macswap -> vfringd -> veth, mapped and copied."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import wire
from rig import Daemon, Netns, Testpmd, one_container, wait_for
from tap import Tap

SIZES = range(60, 1515)
# Every receive and transmit path that virtio-user chooses, by these arguments.
PATHS = {
    'in-order mergeable': '',
    'in-order': 'mrg_rxbuf=0',
    'mergeable': 'in_order=0',
    'plain, 1024 entries': 'mrg_rxbuf=0,in_order=0,queue_size=1024',
    'vectorized': 'mrg_rxbuf=0,in_order=0,vectorized=1',
    'packed, in-order mergeable': 'packed_vq=1',
    'packed, in-order': 'packed_vq=1,mrg_rxbuf=0',
    'packed, mergeable': 'packed_vq=1,in_order=0',
    'packed, plain, 300 entries': 'packed_vq=1,mrg_rxbuf=0,in_order=0,queue_size=300',
    'packed, vectorized': 'packed_vq=1,mrg_rxbuf=0,vectorized=1',
    'packed, plain, 255 entries': 'packed_vq=1,mrg_rxbuf=0,in_order=0,queue_size=255',
}
# virtio-user's vectorized packed path needs AVX512, and EAL's leave to use it.
EAL = ('--force-max-simd-bitwidth=512', '--log-level=pmd.net.virtio.init:info')


def has_avx512():
    with open('/proc/cpuinfo') as f:
        return 'avx512f' in f.read().split()


def working(d, mode):
    c = d.telemetry('/vfring/containers,web0')
    return c['rx_mode'] == mode and c['ring_pairs_working'] == 1


def check_run(t, net, mapping, mode, tx, path, arguments):
    with Daemon(one_container(net, mapping=mapping)) as d, \
            Testpmd(d.dir + '/web0.sock', vdev=arguments, lcores='0@0,1@0', eal=EAL) as pmd:
        wait_for(lambda: working(d, mode), 10, f'the ring to be {mode}')
        if path == 'packed, vectorized':
            found = 'using packed ring vectorized Rx path' in pmd.output
            t.ok(found == has_avx512(), f'{mode}, {path}: it is, if the CPU has AVX512', pmd.output)
        for vlan in (None, 5):
            kind = 'tagged' if vlan else 'untagged'
            r = wire.echo_compare(net.peer, SIZES, vlan=vlan, netns=net.name)
            t.ok(r['ok'], f'{mode}, {path}: {kind} frames of {SIZES[0]} to {SIZES[-1]} bytes come back unchanged', str(r))
        c = d.telemetry('/vfring/containers,web0')
        other = 'copied' if mode == 'mapped' else 'mapped'
        t.ok(c['rx_packets'] - c['rx_drop_no_container'] == c['rx_' + mode] == 2 * len(SIZES) and c['rx_' + other] == 0,
             f'{mode}, {path}: every received packet is counted as {mode}', str(c))
        t.ok(c['tx_packets'] == c['tx_' + tx] == 2 * len(SIZES) and c['tx_mode'] == tx,
             f'{mode}, {path}: every transmitted packet is counted as {tx}', str(c))
        if mode == 'mapped':
            t.ok(c['rx_relocated'] == len(SIZES), f'{mode}, {path}: only tagged frames were moved', str(c))


with Tap() as t, Netns('vft-contents', host='vft-c0') as net:
    for path, arguments in PATHS.items():
        if path == 'packed, plain, 255 entries':
            continue  # too few to be mapped
        t.run(check_run, t, net, 'auto', 'mapped', 'mapped', path, arguments, name=f'mapped, {path}')
    t.run(check_run, t, net, 'rx', 'mapped', 'copied', 'in-order', PATHS['in-order'], name='receive mapped only')
    for path in ('in-order mergeable', 'plain, 1024 entries', 'packed, in-order mergeable', 'packed, mergeable',
                 'packed, vectorized', 'packed, plain, 255 entries'):
        t.run(check_run, t, net, 'off', 'copied', 'copied', path, PATHS[path], name=f'copied, {path}')
sys.exit(t.status)
