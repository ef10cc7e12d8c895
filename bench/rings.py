#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Busy cycles per packet against the size of the container's rings.

    sudo bench/rings.py [CONTESTANT] [--size 64] [--rings 256,512,1024,2048,4096]

Prints the largest of the medians divided by the smallest: 1 if the size of the rings does not matter. Needs build/.
"""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import cli
import contestants
import measure
from cli import say, words


def main():
    p = cli.parser(__doc__)
    cli.add_contestant(p)
    cli.add_setup(p, ring=False)
    p.add_argument('--rings', type=words, default=words('256,512,1024,2048,4096'), help='default: 256 to 4096')
    a = p.parse_args()

    def body(lab):
        rounds = {int(ring): [] for ring in a.rings}
        for _ in range(a.rounds):
            for ring, values in rounds.items():
                with contestants.start(a.contestant, lab, cli.setup(a, ring=ring)) as c:
                    measure.full_load(c, a.size, 'io', a.settle)
                    values.append(measure.throughput(c, a.seconds))
        say('ring    Mpps  cycles/packet  idle')
        medians = []
        for ring, values in rounds.items():
            mpps, cycles, idle = (statistics.median(v[k] for v in values)
                                  for k in ('mpps', 'busy_cycles_per_packet', 'idle_share'))
            say(f'{ring:>4}  {mpps:>6.2f}  {cycles:>13.0f}  {idle:>4.0%}')
            medians.append(cycles)
        print(f'{max(medians) / min(medians):.2f}')
    cli.in_lab(p, a, body)


main()
