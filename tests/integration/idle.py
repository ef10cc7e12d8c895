#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A worker with nothing to do sleeps if it may: its CPU is free, and no packet is lost or later than the limit."""
import contextlib
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import vhost_user
import wire
from rig import Daemon, Netns, one_container, wait_for
from tap import Tap

WORKER_CPU = 1
# Microseconds
IDLE_AFTER = 1000   # the default
SLEEP_MAX = 2000
PACKETS = 200
# What a shared machine may add to a sleep before the sleeper runs, in seconds.
TOLERANCE = 0.005


def worker(d):
    return d.telemetry(f'/vfring/workers,{WORKER_CPU}')


def cpu_seconds(d):
    """Of the worker's thread."""
    for task in os.listdir(f'/proc/{d.pid}/task'):
        with open(f'/proc/{d.pid}/task/{task}/comm') as f:
            if not f.read().startswith('rte-worker-1'):
                continue
        with open(f'/proc/{d.pid}/task/{task}/schedstat') as f:
            return int(f.read().split()[0]) / 1e9
    raise RuntimeError('vfringd has no worker thread')


@contextlib.contextmanager
def rig(net, **switch):
    c = one_container(net)
    c['switch'].update(workers=WORKER_CPU, **switch)
    with Daemon(c) as d, vhost_user.Frontend(d.dir + '/web0.sock') as fe, wire.Wire(net.peer, net.name) as w:
        r = Rig(d, fe, w)
        r.start()
        yield r


class Rig:
    """A container and the wire; one packet at a time is on its way."""

    def __init__(self, d, fe, w):
        self.d, self.fe, self.w = d, fe, w
        self.frames = wire.Frames(w.mac)

    def start(self):
        """Also after a restart of the daemon."""
        self.fe.start()
        self.fe.rx[0].post(size=2176)
        wait_for(lambda: self.d.telemetry('/vfring/containers,web0')['rx_mode'] == 'mapped', 10, 'the ring to be mapped')

    def frame(self, n):
        return self.frames.addresses + self.frames.make(n, 100)

    def let_idle(self, n):
        """Until the worker sleeps, if it does, for as long as it may; then somewhere into a sleep."""
        time.sleep((IDLE_AFTER + 2 * SLEEP_MAX + n * 7919 % 4000) / 1e6)

    def to_container(self, n):
        """One packet: the seconds until its receiver is called, None if it is lost."""
        rx = self.fe.rx[0]
        rx.arm()
        begin = time.monotonic()
        self.w.send(self.frame(n))
        # A call may also be for nothing.
        while (called := rx.wait_call(10)) and not rx.arm():
            pass
        took = time.monotonic() - begin
        rx.disarm()
        return took if called and len(rx.receive(1, 0)) == 1 else None

    def to_wire(self, n):
        begin = time.monotonic()
        self.fe.tx[0].send(self.frame(n))
        while (frame := self.w.recv(10)) is not None and self.frames.seq(frame) != n:
            pass
        took = time.monotonic() - begin
        self.fe.tx[0].complete()
        return None if frame is None else took

    def times(self, what, count):
        out = []
        for n in range(count):
            self.let_idle(n)
            out.append(what(n))
        return out

    def cpu_share(self, seconds=1.0):
        begin, used = time.monotonic(), cpu_seconds(self.d)
        time.sleep(seconds)
        return (cpu_seconds(self.d) - used) / (time.monotonic() - begin)


def measure(s):
    """What is compared: awake and with the back-off."""
    r = {'cpu': s.cpu_share()}
    for what in (s.to_container, s.to_wire):
        r[what.__name__] = s.times(what, PACKETS)
    return r


def show(times):
    good = sorted(t * 1e6 for t in times if t is not None)
    return f'{len(good)} of {len(times)}; microseconds: median {statistics.median(good):.0f}, ' \
        f'9 of 10 within {good[len(good) * 9 // 10]:.0f}, longest {good[-1]:.0f}'


def late(off, on):
    """What is wrong with the times of packets that found the worker asleep; '' if nothing is."""
    limit = SLEEP_MAX / 1e6
    typical = statistics.median(off)
    if statistics.median(on) > typical + limit + TOLERANCE:
        return f'the median is {statistics.median(on)}, awake {typical}'
    nb = sum(took > typical + limit + TOLERANCE for took in on)
    noise = sum(took > typical + TOLERANCE for took in off)
    return '' if nb <= noise + PACKETS / 10 else f'{nb} are late, {noise} of those to a worker that is awake'


def compare(t, net):
    """Measures both. Returns what is wrong, by direction; a packet that is lost is wrong for good."""
    with rig(net) as s:
        off = measure(s)
        st = worker(s.d)
        t.ok(st['sleeps'] == 0 and st['slept_cycles'] == 0 and st['idle_cycles'] > 0, 'by default a worker never sleeps',
             str(st))
    with rig(net, idle_sleep_max=SLEEP_MAX) as s:
        before = worker(s.d)
        on = measure(s)
        after = worker(s.d)
    slept, idle, sleeps = (after[k] - before[k] for k in ('slept_cycles', 'idle_cycles', 'sleeps'))
    t.diag(f'CPU time of the idle worker: {off["cpu"]:.3f} without, {on["cpu"]:.3f} with the back-off')
    t.ok(on['cpu'] * 5 < off['cpu'], 'it leaves its CPU to others', f'{off["cpu"]} {on["cpu"]}')
    t.ok(sleeps > 0 and slept > idle, 'and says so: slept_cycles, beside idle_cycles', f'{before}\n{after}')
    bad = {}
    for what in ('to_container', 'to_wire'):
        t.diag(f'{what}: awake {show(off[what])}')
        t.diag(f'{what}: asleep {show(on[what])}')
        if t.ok(None not in off[what] + on[what], f'{what}: no packet is lost'):
            bad[what] = late(off[what], on[what])
    return bad


def back_off(t, net):
    """No later than the limit. What the machine adds differs from second to second: three attempts."""
    for _ in range(3):
        bad = compare(t, net)
        if not any(bad.values()):
            break
    for what, text in bad.items():
        t.ok(not text, f'{what}: neither the median nor others are later than the limit', text)


def stop(t, net):
    fastest = 60
    for name, switch in (('awake', {}), ('asleep', {'idle_sleep_max': 10000})):
        with rig(net, **switch) as s:
            s.let_idle(0)
            begin = time.monotonic()
            s.d.stop()
            fastest = min(fastest, time.monotonic() - begin)
            t.equal(s.d.proc.returncode, 0, f'{name}: SIGTERM ends it')
            s.d.start()
            s.start()
            s.let_idle(0)
            s.d.kill9()
            s.d.start()
            s.start()
            got = s.times(s.to_container, 10)
            t.ok(None not in got, f'{name}: packets arrive after a restart, and after kill -9', f'{got}\n{s.d.tail()}')
    # One of them: a busy machine may take longer.
    t.ok(fastest < 1, 'SIGTERM ends it within a second', f'{fastest:.3f} s')


with Tap() as t, Netns('vft-idle', host='vft-i0') as net:
    if os.cpu_count() > 1:
        # A worker that is awake again would keep what is measured from its CPU.
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {WORKER_CPU})
    t.run(back_off, t, net)
    t.run(stop, t, net)
sys.exit(t.status)
