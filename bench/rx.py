#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The receive path alone: busy cycles per packet of the switch's worker, mapped beside copied.

    sudo bench/rx.py [--sizes 64,1514] [--rounds 5] [--seconds 2]

The source is DPDK's net_null, which costs next to nothing and touches no data, as if hardware had written it; the sink is
testpmd rxonly on virtio-user. So this is no throughput of anything: it is what the switch itself spends. Needs build/.
"""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'tests/integration/lib'))
from rig import Daemon, Testpmd, wait_for


def measure(size, mapping, seconds):
    config = {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 128},
        'port null0': {'device': f'net_null0,size={size}'},
        'container sink': {'socket': '{dir}/sink.sock', 'port': 'null0', 'mapping': mapping},
    }
    with Daemon(config) as d, Testpmd(d.dir + '/sink.sock', vdev='queue_size=1024,mrg_rxbuf=0', forward='rxonly',
                                      lcores='0@0,1@0'):
        wait_for(lambda: d.telemetry('/vfring/containers,sink')['ring_pairs_working'] == 1, 10, 'the ring to work')
        time.sleep(0.5)  # warm caches; nothing is synchronised by it
        before = d.telemetry('/vfring/workers,1')
        time.sleep(seconds)
        after = d.telemetry('/vfring/workers,1')
        mode = d.telemetry('/vfring/containers,sink')['rx_mode']
    spent = {k: after[k] - before[k] for k in ('packets', 'busy_cycles')}
    return mode, spent['busy_cycles'] / spent['packets']


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--sizes', default='64,1514')
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--seconds', type=float, default=2)
    a = p.parse_args()
    cycles = {}
    for n in range(a.rounds):
        for size in map(int, a.sizes.split(',')):
            for mapping in ('rx', 'off'):
                mode, value = measure(size, mapping, a.seconds)
                cycles.setdefault(size, {}).setdefault(mode, []).append(value)
        print(f'round {n + 1} of {a.rounds}', file=sys.stderr)
    print(f'{"size":>5} {"mapped":>18} {"copied":>18}  mapped / copied   (cycles per packet: median, min-max)')
    for size, by_mode in cycles.items():
        text = {m: f'{statistics.median(v):.0f} ({min(v):.0f}-{max(v):.0f})' for m, v in by_mode.items()}
        ratio = statistics.median(by_mode['mapped']) / statistics.median(by_mode['copied'])
        print(f'{size:>5} {text["mapped"]:>18} {text["copied"]:>18}  {ratio:.2f}')


main()
