#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What containers that do nothing cost the switch core: 0 to 128 of them, on queues beside a busy one.

    sudo bench/idle.py [vfring-mapped|vfring-rx|vfring-copied] [--idle 0,1,8,32,128]

Two figures for each number: cycles of a turn that finds no packet, and busy cycles per packet of the busy container at
all that it takes. Prints what one idle container adds to an empty turn: cycles. Needs build/.
"""
import contextlib
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import cli
import contestants
import crowd
import measure
from cli import say, words
from lab import Failed


def with_crowd(kind, nb):
    """The contestant, with `nb` idle containers more in its configuration."""
    class Crowded(kind):
        def config(self):
            return {**super().config(), **crowd.sections(self.lab, nb, self.setup, self.mapping)}
    return Crowded


def empty_turn(c, seconds):
    """Cycles of a turn without a packet. The source has all but stopped."""
    measure.drained(c)
    command = f'/vfring/workers,{c.lab.switch_cpu}'
    a = c.query(command)
    time.sleep(seconds)
    b = c.query(command)
    return (b['idle_cycles'] - a['idle_cycles']) / (b['turns'] - a['turns'])


def once(kind, lab, setup, nb, a):
    with contextlib.ExitStack() as stack:
        c = stack.enter_context(with_crowd(kind, nb)(lab, setup))
        try:
            others = stack.enter_context(crowd.connected(lab, nb, setup, c.query, kind.expected))
        except (RuntimeError, AssertionError) as e:
            raise Failed(f'{e}') from e
        if others:
            say(f'of {nb} idle containers {crowd.describe(others)}')
        turn = empty_turn(c, a.seconds)
        measure.full_load(c, a.size, 'io', a.settle)
        return turn, measure.throughput(c, a.seconds)['busy_cycles_per_packet']


def main():
    p = cli.parser(__doc__)
    own = [n for n in contestants.NAMES if n.startswith('vfring-')]
    p.add_argument('contestant', nargs='?', choices=own, default='vfring-mapped', help='default: %(default)s')
    cli.add_setup(p)
    p.add_argument('--idle', type=words, default=words('0,1,8,32,128'), help='default: 0,1,8,32,128')
    a = p.parse_args()
    kind = contestants.KINDS[a.contestant]

    def body(lab):
        rounds = {int(nb): [] for nb in a.idle}
        for n in range(a.rounds):
            say(f'round {n + 1} of {a.rounds}')
            for nb, values in rounds.items():
                values.append(once(kind, lab, cli.setup(a), nb, a))
        say('idle containers  cycles/empty turn  cycles/packet')
        turns = {}
        for nb, values in rounds.items():
            turns[nb] = statistics.median(v[0] for v in values)
            say(f'{nb:>15}  {turns[nb]:>17.0f}  {statistics.median(v[1] for v in values):>13.0f}')
        low, high = min(turns), max(turns)
        if low < high:
            print(f'{(turns[high] - turns[low]) / (high - low):.1f}')
    cli.in_lab(p, a, body)


main()
