#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Memory that vfringd needs for a container: on a queue of its own, connected, its ring at work.

    sudo bench/memory.py [vfring-mapped|vfring-rx|vfring-copied] [--containers 64]

Counted are what is allocated in DPDK's heaps (descriptors, packet buffers, rings) and the process's private memory
beside them; the container's own memory (128 MiB of 4 KiB pages), which is only mapped, is not. Prints KiB per
container: the difference between 1 and --containers, divided. Needs build/ and hugepages (so that heaps and private
memory can be told apart).
"""
import contextlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import cli
import contestants
import crowd
from cli import say
from lab import SWITCH_MEMORY, Failed
from rig import Daemon


def heaps(telemetry):
    """Bytes allocated in DPDK's heaps."""
    total = 0
    for heap in telemetry('/eal/heap_list'):
        info = telemetry(f'/eal/heap_info,{heap}')
        total += next(v for k, v in info.items() if k.lower() == 'alloc_size')
    return total


def private(pid):
    """Bytes of anonymous memory that is in use, hugepages not among them."""
    with open(f'/proc/{pid}/status') as f:
        return int(re.search(r'^RssAnon:\s+(\d+) kB', f.read(), re.MULTILINE)[1]) * 1024


def used(kind, lab, setup, nb):
    config = {'switch': {'workers': lab.switch_cpu, 'hugepages': 'on', 'memory': SWITCH_MEMORY,
                         'eal_args': f'-d {lab.plugin}'}, **crowd.sections(lab, nb, setup, kind.mapping)}
    with contextlib.ExitStack() as stack:
        try:
            d = stack.enter_context(Daemon(config, dir=lab.dir))
            others = stack.enter_context(crowd.connected(lab, nb, setup, d.telemetry, kind.expected))
        except (RuntimeError, AssertionError) as e:
            raise Failed(f'{e}') from e
        if others:
            raise Failed(f'of {nb} containers {crowd.describe(others)}')
        return heaps(d.telemetry), private(d.pid)


def main():
    p = cli.parser(__doc__)
    own = [n for n in contestants.NAMES if n.startswith('vfring-')]
    p.add_argument('contestant', nargs='?', choices=own, default='vfring-mapped', help='default: %(default)s')
    cli.add_setup(p, size=False)
    p.add_argument('--containers', type=int, default=64, help='default: %(default)s')
    a = p.parse_args()
    if a.containers < 2:
        p.error('--containers: at least 2')

    def body(lab):
        if not lab.huge:
            raise Failed('hugepages are needed')
        setup = cli.setup(a)
        found = {nb: used(contestants.KINDS[a.contestant], lab, setup, nb) for nb in (1, a.containers)}
        for nb, (heap, anon) in found.items():
            say(f'{nb} containers: {heap / 1024:.0f} KiB in DPDK\'s heaps, {anon / 1024:.0f} KiB private beside')
        print(f'{(sum(found[a.containers]) - sum(found[1])) / 1024 / (a.containers - 1):.0f}')
    cli.in_lab(p, a, body)


main()
