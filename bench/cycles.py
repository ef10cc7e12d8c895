#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Busy cycles of the switch core per packet that goes round, of one contestant under one condition.

    sudo bench/cycles.py [CONTESTANT] [--size 64] [--ring 1024] [--forward io] [--dma none]

Prints the median of the rounds. Needs build/.
"""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import cli
import contestants
import measure
import report
from cli import say


def main():
    p = cli.parser(__doc__)
    cli.add_contestant(p)
    cli.add_setup(p)
    p.add_argument('--forward', default='io', help="the container's mode; default: %(default)s")
    p.add_argument('--dma', choices=('none', 'copy'), default='none',
                   help='copy: the CPU moves the bytes; its time is not in the result; default: %(default)s')
    a = p.parse_args()

    def body(lab):
        values = []
        for _ in range(a.rounds):
            with contestants.start(a.contestant, lab, cli.setup(a)) as c:
                measure.full_load(c, a.size, a.forward, a.settle)
                r = measure.throughput(c, a.seconds)
                say(report.brief(a.size, a.forward, r))
                values.append(r['busy_cycles_per_packet'])
        print(f'{statistics.median(values):.1f}')
    cli.in_lab(p, a, body)


main()
