# SPDX-License-Identifier: BSD-3-Clause
"""What vfring wants to reach, against what this run shows."""

IDLE = 0.2  # idle share of the switch core from which on it is the container that limits


class Mark:
    """a's figure divided by b's, against a limit. Each is (contestant, size) or (contestant, size, ring)."""

    def __init__(self, text, figure, a, b, sign, limit, or_idle=False):
        self.text, self.figure, self.a, self.b, self.sign, self.limit = text, figure, a, b, sign, limit
        self.or_idle = or_idle

    def judge(self, results, ring):
        """(PASS, MISS or ?, what there is to say)"""
        a, b = (results.get(w[0], w[1], ring=w[2] if len(w) > 2 else ring) for w in (self.a, self.b))
        if not a or not b:
            return '?', 'not measured'
        ratio = a[self.figure] / b[self.figure]
        good = ratio <= self.limit if self.sign == '<=' else ratio >= self.limit
        what = {'mpps': 'Mpps', 'busy_cycles_per_packet': 'cycles'}[self.figure]
        text = f'{ratio:.2f} ({a[self.figure]:.4g} / {b[self.figure]:.4g} {what})'
        if not good and self.figure == 'mpps':
            text += f', switch core {a["idle_share"]:.0%} idle'
            if self.or_idle and a['idle_share'] >= IDLE:
                return 'PASS', f'{text}: the container\'s ceiling'
        return 'PASS' if good else 'MISS', text


def marks():
    cycles, mpps = 'busy_cycles_per_packet', 'mpps'
    mapped, rx, copied = 'vfring-mapped', 'vfring-rx', 'vfring-copied'
    for size, limit in (('64', 0.45), ('1514', 0.15)):
        yield Mark(f'cycles, mapped / copied, {size} B', cycles, (mapped, size), (copied, size), '<=', limit)
    yield Mark('cycles, mapped, 1514 B / 64 B', cycles, (mapped, '1514'), (mapped, '64'), '<=', 1.15)
    for size, limit in (('64', 1.3), ('1514', 1.9)):
        yield Mark(f'cycles, copied / Rx only mapped, {size} B', cycles, (copied, size), (rx, size), '>=', limit)
    for size, limit in (('64', 1.5), ('1514', 4)):
        yield Mark(f'Mpps, mapped / testpmd-vhost, {size} B', mpps, (mapped, size), ('testpmd-vhost', size), '>=',
                   limit, or_idle=True)
    for size, limit in (('64', 2.5), ('1514', 6)):
        yield Mark(f'Mpps, mapped / ovs-dpdk, {size} B', mpps, (mapped, size), ('ovs-dpdk', size), '>=', limit)
    for size in ('64', '1514'):
        yield Mark(f'Mpps, mapped / copied, ring 256, {size} B', mpps, (mapped, size, 256), (copied, size, 256),
                   '>=', 1)


def table(results, a):
    lines = [f'\nMarks (ring {a.ring} where not said otherwise)']
    for m in marks():
        verdict, text = m.judge(results, a.ring)
        lines.append(f'{verdict:>4}  {m.text + " " + m.sign + " " + format(m.limit, "g"):<52} {text}')
    return '\n'.join(lines) + '\n'
