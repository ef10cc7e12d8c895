#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Latency under load: from the arrival at the NIC through the switch, the container and the switch back to the wire.

    sudo bench/latency.py [CONTESTANT] [--size 64] [--load 0.8 | --mpps 2]

The load is a share of what the contestant forwards at most, measured first, or a rate. Prints the 99th percentile in
microseconds, the median of the rounds. Needs build/.
"""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import cli
import contestants
import measure
from cli import say


def main():
    p = cli.parser(__doc__)
    cli.add_contestant(p)
    cli.add_setup(p)
    how = p.add_mutually_exclusive_group()
    how.add_argument('--load', type=float, default=0.8, help='share of its own rate; default: %(default)s')
    how.add_argument('--mpps', type=float)
    a = p.parse_args()

    def body(lab):
        p99 = []
        for _ in range(a.rounds):
            with contestants.start(a.contestant, lab, cli.setup(a, latency=True)) as c:
                measure.full_load(c, a.size, 'io', a.settle)
                mpps = a.mpps or a.load * measure.throughput(c, a.seconds)['mpps']
                r = measure.under_load(c, mpps, a.seconds)
            say(f'{mpps:.2f} Mpps: p50 {r["latency_p50_ns"] / 1e3:.1f} us, p99 {r["latency_p99_ns"] / 1e3:.1f} us, '
                f'most {r["latency_max_ns"] / 1e3:.0f} us, lost {r["loss"]:.4%}')
            p99.append(r['latency_p99_ns'] / 1e3)
        print(f'{statistics.median(p99):.1f}')
    cli.in_lab(p, a, body)


main()
