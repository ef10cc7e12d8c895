# SPDX-License-Identifier: BSD-3-Clause
"""Figures of one contestant that runs (contestants.py), each over one window of time.

Packets per second are differences of the NIC's counters divided by the time between the readings. The switch core's
cycles are read right after, not at the same moment; so what counts of them is a share or a quotient: busy of all
cycles, or busy cycles per packet of the same reading. Cycles of the simulated DMA (dma=copy) are taken out and shown
apart.
"""
import contextlib
import glob
import os
import time

from lab import CALM, Failed
from rig import wait_for

NOISE = 0.02  # share of the time that a polling thread may lack its CPU
QUICK_ANSWER = 0.001  # seconds; a reading that took longer is not exact enough for a rate


class Snapshot:
    """The NIC's counters, the switch core's cycles, and when they were read."""

    def __init__(self, c):
        for _ in range(5):
            began = time.monotonic()
            self.nic = c.nic.counters()
            took = time.monotonic() - began
            if took < QUICK_ANSWER:
                break
        self.at = began + took / 2
        self.spent = c.spent()
        self.steal = steal(c.lab.switch_cpu)
        self.threads = all_threads(c)


def steal(cpu):
    """Seconds that the hypervisor gave to others instead of `cpu`."""
    with open('/proc/stat') as f:
        for line in f:
            if line.startswith(f'cpu{cpu} '):
                return int(line.split()[8]) / os.sysconf('SC_CLK_TCK')
    return 0


def threads(pid):
    """{thread: (seconds that it ran, seconds that it wanted to)}"""
    found = {}
    for path in glob.glob(f'/proc/{pid}/task/*/schedstat'):
        with contextlib.suppress(OSError), open(path) as f:
            ran, waited, _ = f.read().split()
            found[path] = int(ran) / 1e9, int(waited) / 1e9
    return found


def all_threads(c):
    return {'switch': threads(c.switch_pid), 'container': threads(c.container.pid)}


def waited(a, b, prefix=''):
    """Shares of the time in which the two polling threads, which are those that ran most, had to wait for their CPUs."""
    shares = {}
    for who in a:
        ran, waits = max(((b[who][t][0] - a[who][t][0], b[who][t][1] - a[who][t][1]) for t in b[who] if t in a[who]),
                         default=(0, 0))
        shares[f'{prefix}{who}_wait_share'] = waits / (ran + waits) if ran else 0.0
    return shares


def noise(figures):
    return max(v for k, v in figures.items() if k.endswith('_wait_share'))


def steadiest(measure_once):
    """Measure once more if something else had the CPUs meanwhile; the figures of the window with less of that."""
    figures = measure_once()
    if noise(figures) > NOISE:
        figures = min(figures, measure_once(), key=noise)
    return figures


def throughput(c, seconds):
    """What the switch core does in the next `seconds`."""
    return steadiest(lambda: _throughput(c, seconds))


def _throughput(c, seconds):
    hz = c.lab.hz
    a = Snapshot(c)
    time.sleep(seconds)
    b = Snapshot(c)
    c.check_modes()
    span = b.at - a.at
    sent = b.nic['opackets'] - a.nic['opackets']
    if sent <= 0:
        raise Failed('no packet came back to the NIC')
    rate = sent / span
    busy = b.spent.busy - a.spent.busy
    if b.spent.total is not None:
        busy_share = busy / (b.spent.total - a.spent.total)
        cycles = busy_share * hz / rate
    else:
        cycles = busy / (b.spent.packets - a.spent.packets)
        busy_share = cycles * rate / hz
    received = b.nic['ipackets'] - a.nic['ipackets']
    dma = (b.nic.get('sim_dma_cycles', 0) - a.nic.get('sim_dma_cycles', 0)) / sent
    return {'mpps': rate / 1e6,
            'busy_cycles_per_packet': cycles - dma, 'idle_share': max(0.0, 1 - busy_share),
            'dma_cycles_per_packet': dma, 'dropped_share': max(0.0, 1 - sent / max(received, 1)),
            'steal_share': (b.steal - a.steal) / span,
            **waited(a.threads, b.threads)}


def offered(counters):
    """Packets that have come to the NIC, received or not."""
    return counters['ipackets'] + counters['imissed']


def drained(c):
    """Have the source all but stop, wait until nothing is under way any more; the NIC's counters then."""
    c.nic.set(rate=1)
    last = [None]

    def quiet():
        now = c.nic.counters()
        before, last[0] = last[0], now
        return now if before and now['opackets'] - before['opackets'] <= 1 else None
    return wait_for(quiet, 5, 'the packets under way to leave', step=0.03)


def under_load(c, mpps, seconds):
    """Latency and loss at `mpps`. The loss is exact: counted from silence to silence."""
    return steadiest(lambda: _under_load(c, mpps, seconds))


def _under_load(c, mpps, seconds):
    before = drained(c)
    c.nic.latency(reset=True)
    began = all_threads(c)
    c.nic.set(rate=int(mpps * 1e6))
    time.sleep(seconds)
    latency, ended = c.nic.latency(), all_threads(c)
    after = drained(c)
    came = offered(after) - offered(before)
    if came <= 0 or not latency or not latency['samples']:
        raise Failed('no packets under load')
    return {'load_mpps': mpps, 'loss': max(0.0, 1 - (after['opackets'] - before['opackets']) / came),
            'latency_p50_ns': latency['p50_ns'], 'latency_p99_ns': latency['p99_ns'],
            'latency_max_ns': latency['max_ns'], **waited(began, ended, 'load_')}


def full_load(c, size, forward, settle):
    """Let the source send all that it can, in frames of this size, and wait until the path is warm."""
    c.forward(forward)
    c.nic.set(size=size, rate=0)
    time.sleep(settle)


def calm(c):
    c.nic.set(rate=CALM)
