# SPDX-License-Identifier: BSD-3-Clause
"""A run's main rows as a picture: five panels of grouped bars, drawn by gnuplot."""
import os
import shutil
import subprocess

COLOURS = {'vfring-mapped': '#0072b2', 'vfring-rx': '#56b4e9', 'vfring-copied': '#009e73',
           'testpmd-vhost': '#e69f00', 'ovs-dpdk': '#d55e00'}
DMA = '#bdbdbd'

HEAD = '''
set terminal svg size 1180,1180 font 'DejaVu Sans,Helvetica,Arial,sans-serif,13' background '#ffffff'
set output '{output}'
set encoding utf8
set multiplot
set style fill solid 1.0 noborder
set lmargin 10
set rmargin 1
set border 3 lc rgb '#666666'
set tics nomirror out scale 0.4
set grid ytics lc rgb '#dddddd' lt 1
unset key
set xrange [-0.5:{groups} - 0.5]
set xtics ({xtics})
set label 1 at screen 0.5,0.985 center '{title}' font ',17'
set label 2 at screen 0.5,0.967 center '{conditions}' font ',10' tc rgb '#555555'
'''

PANEL = '''
set size 0.49,0.315
set origin {x},{y}
set title '{title}' font ',14' offset 0,-0.3
set ylabel '{unit}'
{more}
plot {plots}
unset label 1
unset label 2
'''


class Panel:
    """Bars of one figure, in groups by size: bar(row) -> (value, lowest, highest) or None."""

    def __init__(self, rows, names, sizes):
        self.rows = {(r['contestant'], r['size']): r for r in rows}
        self.names, self.sizes = names, sizes
        self.width = 0.84 / len(names)

    def place(self, name, group):
        return group + (self.names.index(name) - (len(self.names) - 1) / 2) * self.width

    def bars(self, name, bar):
        for group, size in enumerate(self.sizes):
            row = self.rows.get((name, size))
            values = bar(row) if row else None
            if values:
                yield self.place(name, group), *values


def _quote(text):
    return text.replace("'", "''")


def _blocks(panel, tag, bar):
    """Data blocks of a panel, one per contestant; {contestant: block name}."""
    text, blocks = '', {}
    for name in panel.names:
        lines = [' '.join(f'{v:.6g}' for v in values) for values in panel.bars(name, bar)]
        if lines:
            blocks[name] = f'${tag}{panel.names.index(name)}'
            text += f'{blocks[name]} << EOD\n' + '\n'.join(lines) + '\nEOD\n'
    return text, blocks


def _solid(blocks, width, columns='1:2'):
    return [f"{b} using {columns}:({width * 0.92:.4f}) with boxes fc rgb '{COLOURS[n]}'" for n, b in blocks.items()]


def _whiskers(blocks):
    return [f"{b} using 1:3:(0):($4-$3) with vectors nohead lw 1.2 lc rgb '#333333'" for b in blocks.values()]


def _numbers(blocks, fmt, at='$4'):
    """Values above the bars, upright where bars are narrow."""
    return [f"{b} using 1:({at}):(sprintf('{fmt}', $2)) with labels rotate left offset 0,0.4 font ',10' "
            "tc rgb '#333333'" for b in blocks.values()]


def _figure(key, scale=1):
    def bar(row):
        return (row[key] * scale, row[f'{key}_min'] * scale, row[f'{key}_max'] * scale) if key in row else None
    return bar


def _simple(panel, tag, title, unit, key, fmt, where, scale=1, more=''):
    data, blocks = _blocks(panel, tag, _figure(key, scale))
    if not blocks:
        return ''
    top = max(v[3] for n in blocks for v in panel.bars(n, _figure(key, scale)))
    plots = _solid(blocks, panel.width) + _whiskers(blocks) + _numbers(blocks, fmt)
    return data + PANEL.format(x=where[0], y=where[1], title=title, unit=unit,
                               more=more or f'set yrange [0:{max(top * 1.22, 1e-3):.6g}]',
                               plots=', \\\n '.join(plots))


def _dma_of(row):
    """Cycles that the DMA of a packet takes the CPU where it has to do it; 0 if that was not measured."""
    return next((v['dma_cycles_per_packet'] for v in row.get('variants', ())
                 if v['dma'] == 'copy' and v['forward'] == row['forward'] and v['ring'] == row['ring']), 0)


def _cycles(panel, where):
    def bar(row):
        cycles = row['busy_cycles_per_packet']
        return cycles, row['busy_cycles_per_packet_min'], row['busy_cycles_per_packet_max'], cycles + _dma_of(row)
    data, blocks = _blocks(panel, 'cyc', bar)
    top = max(max(v[3], v[4]) for n in blocks for v in panel.bars(n, bar))
    behind = [f"{b} using 1:5:({panel.width * 0.92:.4f}) with boxes fc rgb '{DMA}'" for b in blocks.values()]
    plots = behind + _solid(blocks, panel.width) + _whiskers(blocks) \
        + _numbers(blocks, '%.0f', '$4 > $5 ? $4 : $5')
    return data + PANEL.format(x=where[0], y=where[1], title='Switch core: busy cycles per packet', unit='TSC cycles',
                               more=f'set yrange [0:{top * 1.22:.6g}]', plots=', \\\n '.join(plots))


def _latency(panel, where):
    def bar(row):
        if 'latency_p99_ns' not in row:
            return None
        p50, p99 = row['latency_p50_ns'] / 1e3, row['latency_p99_ns'] / 1e3
        return p50, p50, p99, p99
    data, blocks = _blocks(panel, 'lat', bar)
    if not blocks:
        return ''
    values = [v for n in blocks for v in panel.bars(n, bar)]
    low, top = min(v[1] for v in values), max(v[4] for v in values)
    pale = [f"{b} using 1:5:({panel.width * 0.92:.4f}) with boxes fc rgb '{COLOURS[n]}' fs transparent solid 0.35"
            for n, b in blocks.items()]
    labels = [f"{b} using 1:5:(us($2).' / '.us($5)) with labels rotate left offset 0,0.4 font ',9' "
              "tc rgb '#333333'" for b in blocks.values()]
    return data + PANEL.format(
        x=where[0], y=where[1], title='Latency at 80 % of its own rate: p50 (full), p99 (pale)', unit='µs',
        more=f'set logscale y\nset yrange [{max(low / 3, 0.01):.4g}:{top * max(12, (top / low) ** 0.7):.4g}]\n'
             "us(t) = sprintf(t < 100 ? '%.1f' : '%.0f', t)",
        plots=', \\\n '.join(pale + _solid(blocks, panel.width) + labels)) + 'unset logscale y\n'


def _legend(names, where, with_dma):
    """The sixth place: what the colours mean."""
    entries = [(n, COLOURS[n]) for n in names]
    if with_dma:
        entries.append(('the DMA, where the CPU has to do it (dma=copy)', DMA))
    text = f"set size 0.49,0.315\nset origin {where[0]},{where[1]}\nunset border\nunset xtics\nunset ytics\n" \
           "unset grid\n" \
           "unset title\nunset ylabel\nset yrange [0:1]\nset key at graph 0.02,0.9 left top Left reverse samplen 1.5 " \
           "spacing 1.7 font ',14'\n"
    plots = [f"-1 with boxes fc rgb '{colour}' title '{_quote(name)}'" for name, colour in entries]
    return text + "set label 3 at graph 0.02,0.08 'bars: medians of the rounds; whiskers: least and most' font ',11' " \
        "tc rgb '#555555'\nplot " + ', \\\n '.join(plots) + '\n'


def draw(rows, path, conditions):
    """Write the SVG file; '' or what prevents it."""
    if not shutil.which('gnuplot'):
        return 'gnuplot is not installed'
    names = [n for n in COLOURS if any(r['contestant'] == n for r in rows)]
    sizes = list(dict.fromkeys(r['size'] for r in rows))
    panel = Panel(rows, names, sizes)
    left, right = 0.0, 0.505
    script = HEAD.format(
        output=os.path.abspath(path).replace("'", "''"), groups=len(sizes), conditions=_quote(conditions),
        title=f'physical – virtual – physical: one switch core, one container core (testpmd {rows[0]["forward"]})',
        xtics=', '.join(f"'{str(s).upper() if isinstance(s, str) else f'{s} B'}' {n}" for n, s in enumerate(sizes)))
    script += _simple(panel, 'mpps', 'Throughput', 'Mpps', 'mpps', '%.2f', (left, 0.64))
    script += _cycles(panel, (right, 0.64))
    script += _simple(panel, 'idle', 'Switch core: idle share at that throughput', '%', 'idle_share', '%.0f',
                      (left, 0.32), 100, more='set yrange [0:100]')
    script += _latency(panel, (right, 0.32))
    script += _simple(panel, 'loss', 'Lost at 80 % of its own rate', '%', 'loss', '%.3f', (left, 0.0), 100)
    script += _legend(names, (right, 0.0), any(_dma_of(r) for r in rows))
    script += 'unset multiplot\nset output\n'
    p = subprocess.run(['gnuplot', '-'], input=script, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=60, check=False)
    return f'gnuplot: {p.stdout.strip()}' if p.returncode else ''
