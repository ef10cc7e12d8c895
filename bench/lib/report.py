# SPDX-License-Identifier: BSD-3-Clause
"""What has been measured: kept by round, and as tables and JSON rows."""
import platform
import statistics
import time

from contestants import KINDS
from lab import git_state
from measure import NOISE, noise

# Figures whose spread readers want to see.
SPREAD = ('mpps', 'busy_cycles_per_packet', 'idle_share', 'loss', 'latency_p50_ns', 'latency_p99_ns')


def combine(rounds):
    """{figure: [a value of each round]} -> medians, with *_min and *_max of some."""
    out = {}
    for key, values in rounds.items():
        out[key] = statistics.median(values)
        if key in SPREAD:
            out[f'{key}_min'], out[f'{key}_max'] = min(values), max(values)
    return out


class Results:
    """Keys are (contestant, size, forwarding mode, dma, ring)."""

    def __init__(self):
        self.rounds, self.setups, self.failures = {}, {}, []

    def add(self, key, figures, setup):
        kept = self.rounds.setdefault(key, {})
        for name, value in figures.items():
            kept.setdefault(name, []).append(value)
        self.setups[key] = setup

    def failed(self, name, title, text):
        self.failures.append((name, title, text))

    def any(self):
        return bool(self.rounds)

    def get(self, name, size, forward='io', dma='none', ring=1024):
        """The combined figures; None if there are none."""
        rounds = self.rounds.get((name, size, forward, dma, ring))
        return combine(rounds) if rounds and 'mpps' in rounds else None

    def failure_lines(self):
        """Each failure once, with its contestant's name."""
        seen = {}
        for name, title, text in self.failures:
            key = (name, title, text.strip())
            seen[key] = seen.get(key, 0) + 1
        return [f'FAILED: {name}{f" ({title})" if title else ""}, {n} of the rounds: {text}'
                for (name, title, text), n in seen.items()]

    def noise(self):
        """What to say of windows in which a polling thread lacked its CPU; '' if that did not happen."""
        shares = [s for r in self.rounds.values() for k, values in r.items() if k.endswith('_wait_share')
                  for s in values]
        bad = sum(s > NOISE for s in shares)
        return f'In {bad} of {len(shares)} cases a polling thread lacked its CPU: this machine was busy.' if bad else ''

    def _row(self, key, lab):
        name, size, forward, dma, ring = key
        rx_mode, tx_mode = KINDS[name].expected
        figures = {k: round(v, 6) if isinstance(v, float) else v for k, v in combine(self.rounds[key]).items()}
        return {'contestant': name, 'size': int(size) if size.isdigit() else size, 'forward': forward, 'dma': dma,
                'ring': ring, 'nic_descriptors': self.setups[key].desc, 'rx_mode': rx_mode, 'tx_mode': tx_mode,
                'rounds': len(self.rounds[key].get('mpps', [])), 'hugepages': lab.huge, 'clock_hz': lab.hz, **figures}

    def rows(self, a, lab):
        """One row for each contestant and size, as the main table shows it; what was measured of the two under
        other conditions is in its list `variants`, in rows of the same form."""
        rows = []
        for name in a.contestants:
            for size in a.sizes:
                keys = [k for k in self.rounds if k[:2] == (name, size) and 'mpps' in self.rounds[k]]
                keys.sort(key=lambda k: k[2:] != (a.forward[0], 'none', a.ring))
                if keys and keys[0][2:] == (a.forward[0], 'none', a.ring):
                    row, *variants = (self._row(k, lab) for k in keys)
                    rows.append({**row, 'variants': variants})
        return rows


def conditions(a, lab):
    """One line on what all figures of a run have in common."""
    with open('/proc/cpuinfo') as f:
        models = [line.partition(':')[2].strip() for line in f if line.startswith('model name')]
    clock = f' ({lab.hz / 1e9:.2f} GHz TSC)' if lab.hz else ''
    machine = models[0] if models else platform.machine()
    return (f'{time.strftime("%Y-%m-%d")}, vfring {git_state()}, {machine}{clock}, '
            f'{"2 MiB hugepages" if lab.huge else "no hugepages"}, rings {a.ring}, NIC descriptors {a.desc}, '
            f'{a.rounds} {"rounds" if a.rounds > 1 else "round"} of {a.seconds:g} s')


def brief(size, forward, r):
    """A round's figures for the progress."""
    waits = f' (CPU lacked {noise(r):.0%})' if noise(r) > NOISE else ''
    if 'loss' in r:
        return f'{size} B {r["latency_p50_ns"] / 1e3:.1f}/{r["latency_p99_ns"] / 1e3:.1f} us, lost {r["loss"]:.3%}{waits}'
    mode = '' if forward == 'io' else f' {forward}'
    dma = f' + dma {r["dma_cycles_per_packet"]:.0f}' if r['dma_cycles_per_packet'] else ''
    dropped = f' dropped {r["dropped_share"]:.0%}' if r['dropped_share'] > 0.01 else ''
    return (f'{size} B{mode} {r["mpps"]:.2f} Mpps {r["busy_cycles_per_packet"]:.0f} cycles{dma} '
            f'idle {r["idle_share"]:.0%}{dropped}{waits}')


def _spread(r, key, fmt, scale=1):
    if key not in r:
        return '-'
    return f'{r[key] * scale:{fmt}} ({r[key + "_min"] * scale:{fmt}}-{r[key + "_max"] * scale:{fmt}})'


COLUMNS = {
    'Mpps': lambda r: _spread(r, 'mpps', '.2f'),
    'cycles/packet': lambda r: _spread(r, 'busy_cycles_per_packet', '.0f'),
    'DMA': lambda r: f'{r["dma_cycles_per_packet"]:.0f}',
    'idle': lambda r: f'{r["idle_share"]:.0%}',
    'dropped': lambda r: f'{r["dropped_share"]:.1%}',
    'p50 us': lambda r: _spread(r, 'latency_p50_ns', '.1f', 1e-3),
    'p99 us': lambda r: _spread(r, 'latency_p99_ns', '.1f', 1e-3),
    'lost': lambda r: _spread(r, 'loss', '.3f', 100) + ' %' if 'loss' in r else '-',
}


def _table(results, title, names, sizes, columns, **where):
    lines = [['size', 'contestant', *columns]]
    for size in sizes:
        for name in names:
            r = results.get(name, size, **where)
            if r:
                lines.append([size, name, *(COLUMNS[c](r) for c in columns)])
    if len(lines) == 1:
        return ''
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [f'\n{title}']
    for n, line in enumerate(lines):
        if n > 1 and line[0] != lines[n - 1][0]:
            text.append('')
        text.append('  '.join(f'{cell:<{w}}' if i == 1 else f'{cell:>{w}}'
                              for i, (cell, w) in enumerate(zip(line, widths))))
    return '\n'.join(text) + '\n'


def tables(results, a):
    plain = ['Mpps', 'cycles/packet', 'idle', 'dropped']
    out = []
    for forward in a.forward:
        load = ['p50 us', 'p99 us', 'lost'] if forward == 'io' else []
        out.append(_table(results, f'Container {forward}, ring {a.ring}: all that it takes'
                          + ('; latency and loss at 80 % of each one\'s own rate.' if load else '.')
                          + ' Median (min-max).', a.contestants, a.sizes, plain + load, forward=forward, ring=a.ring))
    out.append(_table(results, f'DMA by the CPU (dma=copy), its cycles apart. Container io, ring {a.ring}.',
                      a.contestants, a.sizes, ['Mpps', 'cycles/packet', 'DMA', 'idle', 'dropped'], dma='copy',
                      ring=a.ring))
    if a.ring != 256:
        out.append(_table(results, 'Ring 256. Container io.', a.contestants, a.sizes, plain, ring=256))
    return ''.join(out)
