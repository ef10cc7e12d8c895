#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Physical - virtual - physical: one switch core between the simulated VF and one container, contestants in turn.

    sudo bench/pvp.sh [options]

installs what is missing, builds, and runs this. Contestants: vfring with both directions mapped, with Rx mapped,
copied; testpmd's vhost PMD; Open vSwitch with DPDK. bench/README.md says what they share and how the figures are taken.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import cli
import contestants
import marks
import measure
import plot
import report
from cli import say, words
from lab import ROOT, Failed

# A contestant that failed so often is not started again for the same kind of visit.
ENOUGH = 2


class Visit:
    """One start of a contestant, and what is measured meanwhile: points [(size, forwarding mode)]; with `load`, latency
    and loss at 80 % of its own rate."""

    def __init__(self, title, names, setup, points, load=False):
        self.title, self.names, self.setup, self.points, self.load = title, names, setup, points, load
        self.failures = {}

    def run(self, name, lab, a, rates):
        """Yields (size, forwarding mode, figures). rates: {(name, size): Mpps} so far."""
        with contestants.start(name, lab, self.setup) as c:
            c.check_modes()
            for size, forward in self.points:
                if self.load:
                    own = rates[name, size]
                    c.nic.set(size=size)
                    yield size, forward, measure.under_load(c, 0.8 * own, a.seconds)
                else:
                    measure.full_load(c, size, forward, a.settle)
                    yield size, forward, measure.throughput(c, a.seconds)
                    measure.calm(c)


def plan(a):
    """The visits of one round."""
    vfring = [n for n in a.contestants if n in ('vfring-mapped', 'vfring-copied')]
    both_ends = [s for s in a.sizes if s in ('64', '1514')]
    base = cli.setup(a)
    main = [(s, f) for f in a.forward for s in a.sizes]
    return [
        Visit('', a.contestants, base, main),
        Visit('at 80 %', a.contestants, cli.setup(a, latency=True),
              [(s, 'io') for s in a.sizes], load=True),
        Visit('dma=copy', a.contestants, cli.setup(a, dma='copy'), [(s, 'io') for s in both_ends]),
        Visit('ring 256', vfring, cli.setup(a, ring=256, desc=min(a.desc, 128)), [(s, 'io') for s in both_ends]),
    ]


def visit(v, name, lab, a, results, rates):
    """One visit; what failed is said and remembered."""
    if v.failures.get(name, 0) >= ENOUGH or not v.points:
        return
    began, said = time.monotonic(), []
    try:
        for size, forward, figures in v.run(name, lab, a, rates):
            key = (name, size, forward, v.setup.dma, v.setup.ring)
            results.add(key, figures, v.setup)
            said.append(report.brief(size, forward, figures))
            if not v.load and (forward, v.setup) == ('io', cli.setup(a)):
                rates[name, size] = figures['mpps']
    except (Failed, AssertionError, RuntimeError, ConnectionError, OSError, KeyError) as e:
        v.failures[name] = v.failures.get(name, 0) + 1
        text = f'no rate of its own for {e}' if isinstance(e, KeyError) and v.load else f'{e}'
        results.failed(name, v.title, text)
        said.append(f'FAILED: {text.strip().splitlines()[0] if text.strip() else type(e).__name__}')
    say(f'  {name} {v.title}: {"; ".join(said)} ({time.monotonic() - began:.0f} s)')


def measure_all(lab, a):
    results, rates = report.Results(), {}
    visits = plan(a)
    began = time.monotonic()
    for n in range(a.rounds):
        say(f'round {n + 1} of {a.rounds}')
        for v in visits:
            # Each round begins with another contestant, so that none always follows the same one.
            names = list(v.names[n % max(1, len(v.names)):]) + list(v.names[:n % max(1, len(v.names))])
            for name in names:
                visit(v, name, lab, a, results, rates)
        spent = time.monotonic() - began
        if n + 1 < a.rounds:
            say(f'  about {spent / (n + 1) * (a.rounds - n - 1) / 60:.1f} min to go')
    return results


def arguments():
    p = cli.parser(__doc__, rounds=None, seconds=None)
    cli.add_setup(p, size=False)
    p.add_argument('--quick', action='store_true', help='two rounds of short windows, sizes 64 and 1514, io only')
    p.add_argument('--json', metavar='FILE', help='default: build/bench/pvp.json (--quick: pvp-quick.json)')
    p.add_argument('--svg', metavar='FILE', help='default: bench/pvp.svg (--quick: build/bench/pvp-quick.svg)')
    p.add_argument('--contestants', type=words, default=list(contestants.NAMES), metavar='NAME,...',
                   help=', '.join(contestants.NAMES))
    p.add_argument('--sizes', type=words, metavar='SIZE,...', help='default: 64,512,1514,imix')
    p.add_argument('--forward', type=words, metavar='MODE,...', help="the container's; default: io,macswap")
    a = p.parse_args()
    unknown = set(a.contestants) - set(contestants.NAMES)
    if unknown:
        p.error(f'no contestant {", ".join(sorted(unknown))}')
    a.sizes = a.sizes or (['64', '1514'] if a.quick else ['64', '512', '1514', 'imix'])
    a.forward = a.forward or (['io'] if a.quick else ['io', 'macswap'])
    a.rounds = a.rounds or (2 if a.quick else 5)
    a.seconds = a.seconds or (0.6 if a.quick else 1)
    a.json = a.json or f'{ROOT}/build/bench/pvp{"-quick" if a.quick else ""}.json'
    a.svg = a.svg or (f'{ROOT}/build/bench/pvp-quick.svg' if a.quick else f'{ROOT}/bench/pvp.svg')
    return p, a


def write_results(a, lab, results):
    rows = results.rows(a, lab)
    for path in (a.json, a.svg):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(a.json, 'w') as f:
        json.dump(rows, f, indent=1)
        f.write('\n')
    say(f'written: {a.json}')
    print(report.tables(results, a))
    print(marks.table(results, a))
    if results.noise():
        print(results.noise())
    for line in results.failure_lines():
        print(line)
    if rows:
        problem = plot.draw(rows, a.svg, report.conditions(a, lab))
        say(f'no plot: {problem}' if problem else f'written: {a.svg}')


def main():
    p, a = arguments()

    def body(lab):
        say(report.conditions(a, lab))
        results = measure_all(lab, a)
        write_results(a, lab, results)
        return 0 if results.any() else 1
    cli.in_lab(p, a, body)


if __name__ == '__main__':
    main()
