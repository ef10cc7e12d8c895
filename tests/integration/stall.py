#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 300 s
"""A worker that does not run for a while, as on a busy host: what should have been taken back meanwhile is parked, and comes
back when the worker does. The container, which was told otherwise long ago, finds its rings as it left them."""
import contextlib
import ctypes
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from container import SIZE, Container
from rig import Daemon, load_simvf, wait_for
from tap import Skip, Tap
from vhost_user import Frontend

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ptrace(request, tid):
    if _libc.ptrace(ctypes.c_long(request), ctypes.c_long(tid), None, None) != 0:
        err = ctypes.get_errno()
        raise (Skip if request == PTRACE_SEIZE else OSError)(f'ptrace: {os.strerror(err)}')


class Stalled:
    """The daemon's worker does not run inside the block. It stopped in a turn without a packet, and has many in its next."""

    def __init__(self, d):
        self.d = d
        for task in os.listdir(f'/proc/{d.pid}/task'):
            with open(f'/proc/{d.pid}/task/{task}/comm') as f:
                if 'worker' in f.read():
                    self.tid = int(task)

    def _turns(self):
        return self.d.telemetry('/vfring/workers,1')['turns']

    def __enter__(self):
        fault(self.d, 'link_down', 1)
        turns = self._turns()
        wait_for(lambda: self._turns() > turns + 1, 10, 'a turn without a packet')
        ptrace(PTRACE_SEIZE, self.tid)
        ptrace(PTRACE_INTERRUPT, self.tid)
        os.waitpid(self.tid, WALL)
        fault(self.d, 'link_down', 0)

    def __exit__(self, *exc):
        ptrace(PTRACE_DETACH, self.tid)


def queue(d, q=0):
    return d.telemetry(f'/vfring/queues,sim0:{q}')


def fault(d, name, value):
    assert d.telemetry(f'/simvf/fault,net_simvf0:{name}={value}') is not None


def parked(d, q=0):
    # Telemetry has no answer while the control thread waits for the worker.
    wait_for(lambda: (queue(d, q) or {}).get('state') == 'parked', 20,
             lambda: f'the queue to be parked: {queue(d, q)}\n{d.tail()}')


def disabled(d, fe, c):
    """The rings are disabled, and enabled again before the worker is back."""
    fe.enable(False)
    parked(d)
    fe.enable(True)


def memory_grows(d, fe, c):
    """The memory grows, as in a front end that disables its rings for it."""
    fe.new_memory(1 << 20)
    parked(d)


def ring_anew(d, fe, c, q=0):
    """The rings are stopped, emptied and started at their beginning."""
    fe.stop()
    parked(d, q)
    for r in fe.rings:
        r.reset()
    fe.start_rings()
    fe.rx[0].post(size=2176)


def gone(d, fe, c):
    """The container is gone, and there is another one, with memory of its own."""
    fe.disconnect()
    parked(d)


def pf_reset(d, fe, c):
    """The PF is reset, so the device has to be stopped and started."""
    start = len(d.output)
    fault(d, 'pf_reset', 1)
    d.wait_output('reset by its PF, but a worker does not let go', start=start)


def stall(t, what, packed, mapping, mode):
    name = f'{"packed" if packed else "split"}, {mode}: {what.__doc__.rstrip(".").lower()}'
    config = {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 256, **load_simvf()},
        'port sim0': {'device': f'net_simvf0,size={SIZE},rate=5000,dma=copy'},
        'container c0': {'socket': '{dir}/c0.sock', 'port': 'sim0', 'mapping': mapping},
    }
    with Daemon(config) as d, Frontend(d.dir + '/c0.sock', packed=packed) as fe, \
            Frontend(d.dir + '/c0.sock', packed=packed) as second:
        c = Container(fe)
        c.until(lambda: queue(d)['state'] == mode, lambda: f'{mode}: {queue(d)}\n{d.tail()}')
        ran = c.run(100)
        with Stalled(d):
            what(d, fe, c)
            if what is gone:
                c = Container(second)
        c.until(lambda: queue(d)['state'] == mode, lambda: f'{mode} again: {queue(d)}\n{d.tail()}')
        ran = c.run(300) and ran
        s = d.telemetry('/simvf/stats,net_simvf0')
        refused = s['rx_iommu_faults'] + s['tx_iommu_faults']
        t.ok(ran and not c.bad and refused == 0, name, lambda: f'{c.packets} packets, {c.bad[:5]}\n{queue(d)}\n{s}\n{d.tail()}')
        t.equal(d.stop(), 0, f'{name}: the daemon ends cleanly')


@contextlib.contextmanager
def with_loans(d, c, q):
    """Stalled while the NIC has what the container sent: that takes a try more if the machine pauses for so long that it
    has been given back before."""
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            c.until(lambda: queue(d, q)['state'] == 'mapped' and queue(d, q)['tx_loans'] > 10,
                    lambda: f'transmissions: {queue(d, q)}\n{d.tail()}')
            stalled = stack.enter_context(contextlib.ExitStack())
            stalled.enter_context(Stalled(d))
            if queue(d, q)['tx_loans'] > 0:
                break
            stalled.close()
        else:
            raise AssertionError(f'nothing is lent: {queue(d, q)}')
        yield


def neighbours(t, packed):
    """A device that has to be stopped whole: one container goes, the other one starts its rings anew while the NIC has what
    was sent on them before. That is given back when the device is stopped for the first one, and must not be seen."""
    name = f'{"packed" if packed else "split"}, neighbours on a device that is stopped whole'
    config = {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 256, **load_simvf()},
        'port sim0': {'device': f'net_simvf0,size={SIZE},rate=5000,dma=copy,flows=64,stop_queues=0,tx_lag=64,tx_lag_us=600000',
                      'queues': 2},
        'container c0': {'socket': '{dir}/c0.sock', 'port': 'sim0:0'},
        'container c1': {'socket': '{dir}/c1.sock', 'port': 'sim0:1'},
    }
    with Daemon(config) as d, Frontend(d.dir + '/c1.sock', packed=packed) as stays:
        other = Container(stays)
        with Frontend(d.dir + '/c0.sock', packed=packed) as fe:
            c = Container(fe)
            c.until(lambda: other.run(1) and queue(d)['state'] == 'mapped', lambda: f'mapped: {queue(d)}\n{d.tail()}')
            with with_loans(d, other, 1):
                fe.disconnect()
                parked(d)
                ring_anew(d, stays, other, 1)
        with Frontend(d.dir + '/c0.sock', packed=packed) as fe:
            c = Container(fe)
            c.until(lambda: queue(d)['state'] == 'mapped', lambda: f'mapped again: {queue(d)}\n{d.tail()}')
            other.until(lambda: queue(d, 1)['state'] == 'mapped', lambda: f'the neighbour: {queue(d, 1)}\n{d.tail()}')
            ran = c.run(200) and other.run(200)
            resets = [d.telemetry(f'/vfring/containers,c{n}')['resets'] for n in (0, 1)]
            t.ok(ran and resets == [0, 0] and not c.bad and not other.bad, name,
                 lambda: f'{resets} resets, {c.bad[:5]} {other.bad[:5]}\n{queue(d)}\n{queue(d, 1)}\n{d.tail()}')


def comes(t):
    """A container comes while the worker may be in the middle of its queue: it is not put to work before the worker has
    let go."""
    config = {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 256, **load_simvf()},
        'port sim0': {'device': f'net_simvf0,size={SIZE},rate=5000,dma=copy'},
        'container c0': {'socket': '{dir}/c0.sock', 'port': 'sim0'},
    }
    with Daemon(config) as d, Frontend(d.dir + '/c0.sock') as fe:
        states = []
        with Stalled(d):
            fe.rx[0].post(size=2176)
            c = Container(fe)
            wait_for(lambda: states.append((queue(d) or {}).get('state')) or len(states) > 100, 60, 'looks at it')
        c.until(lambda: queue(d)['state'] == 'mapped', lambda: f'mapped: {queue(d)}\n{d.tail()}')
        t.ok(not {'mapped', 'copied'} & set(states) and c.run(300) and not c.bad, 'a container that comes meanwhile',
             lambda: f'{set(states)} {c.bad[:5]}\n{d.tail()}')


def transmissions(t):
    """What the NIC has sent waits for a worker that does not run: not the NIC's fault, so transmit stays mapped."""
    config = {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 256, **load_simvf()},
        'port sim0': {'device': f'net_simvf0,size={SIZE},rate=5000,dma=copy,tx_lag=64,tx_lag_us=600000'},
        'container c0': {'socket': '{dir}/c0.sock', 'port': 'sim0'},
    }
    with Daemon(config) as d, Frontend(d.dir + '/c0.sock') as fe:
        c = Container(fe)
        c.until(lambda: queue(d)['state'] == 'mapped', lambda: f'mapped: {queue(d)}\n{d.tail()}')
        with with_loans(d, c, 0):
            # Longer than a NIC may take.
            time.sleep(2.5)
        ran = c.run(500)
        t.ok(ran and queue(d)['tx_mode'] == 'mapped' and not c.bad, 'transmissions wait for a worker',
             lambda: f'{c.bad[:5]}\n{queue(d)}\n{d.tail()}')


with Tap() as t:
    for packed in (False, True):
        for what in (disabled, memory_grows, ring_anew, gone, pf_reset):
            t.run(stall, t, what, packed, 'auto', 'mapped', name=what.__name__)
        t.run(stall, t, ring_anew, packed, 'off', 'copied', name='ring_anew')
        t.run(neighbours, t, packed)
    t.run(comes, t)
    t.run(transmissions, t)
sys.exit(t.status)
