#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 300 s
"""A NIC that misbehaves: each fault of the simulated VF under traffic. The container gets its buffers back in the order in
which it posted them, each once, with whole frames; what cannot go on mapped goes on copied; a port that is beyond repair
costs nobody else; no DMA goes where it must not."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from container import SIZE, Container
from rig import Daemon, load_simvf, wait_for
from tap import Tap
from vhost_user import Frontend


def config(arguments='', ports=1, **keys):
    sections = {'switch': {'workers': 1, 'hugepages': 'off', 'memory': 256, **load_simvf()}}
    for n in range(ports):
        sections[f'port sim{n}'] = {'device': f'net_simvf{n},size={SIZE},rate=5000{arguments}', **keys.get('port', {})}
        for q in range(keys.get('containers', 1)):
            sections[f'container c{n}{q}'] = {'socket': f'{{dir}}/c{n}{q}.sock', 'port': f'sim{n}:{q}',
                                              **keys.get('container', {})}
    return sections


def queue(d, port=0, q=0):
    return d.telemetry(f'/vfring/queues,sim{port}:{q}')


def fault(d, name, value, port=0):
    assert d.telemetry(f'/simvf/fault,net_simvf{port}:{name}={value}') is not None, f'no fault {name}'


def sim(d, port=0):
    return d.telemetry(f'/simvf/stats,net_simvf{port}')


def is_mode(d, rx, tx='mapped', port=0, q=0):
    s = queue(d, port, q)
    return (s['state'], s['tx_mode']) == (rx, tx)


def up(d, c, rx='mapped', tx='mapped', port=0, q=0):
    c.until(lambda: is_mode(d, rx, tx, port, q), lambda: f'{rx}, {tx}: {queue(d, port, q)}\n{d.tail()}')


def verdict(t, d, c, name, expect=True, faults=0):
    s = sim(d)
    refused = s['rx_iommu_faults'] + s['tx_iommu_faults']
    t.ok(expect and not c.bad and refused == faults, name, lambda: f'{c.bad[:5]}\n{queue(d)}\n{s}\n{d.tail(8)}')


def under_fault(t, name, value, what, rx='mapped', tx='mapped', arguments='', check=None, faults=0):
    """One fault while packets go both ways; afterwards the directions are as said, and packets go on."""
    with Daemon(config(arguments)) as d, Frontend(d.dir + '/c00.sock') as fe:
        c = Container(fe)
        up(d, c)
        ran = c.run(200)
        fault(d, name, value)
        ran = c.run(1000) and ran
        up(d, c, rx, tx)
        ran = c.run(300) and ran
        verdict(t, d, c, f'{name}: {what}', ran and (check is None or check(queue(d), sim(d), c)), faults)


def start_and_stop(t, name, value, what, arguments=''):
    """A fault that strikes when a container comes or goes: it, or the next one, works all the same."""
    with Daemon(config(arguments)) as d:
        with Frontend(d.dir + '/c00.sock') as fe:
            c = Container(fe)
            up(d, c)
            c.run(200)
            fault(d, name, value)
        wait_for(lambda: queue(d)['state'] == 'drain', 10, lambda: f'the ring to be taken back: {queue(d)}\n{d.tail()}')
        with Frontend(d.dir + '/c00.sock') as fe:
            c = Container(fe)
            wait_for(lambda: queue(d)['state'] in ('mapped', 'copied'), 10, lambda: f'the next one: {queue(d)}\n{d.tail()}')
            verdict(t, d, c, f'{name}: {what}', c.run(500))


def halted(t):
    """The device does not start for a while, when a ring comes and when one goes: it is tried again, and all works then."""
    with Daemon(config(',stop_queues=0')) as d:
        for moment in ('comes', 'goes'):
            with Frontend(d.dir + '/c00.sock') as fe:
                if moment == 'comes':
                    # Before it is there: mapped once it has buffers, which takes the stop and start that fails.
                    fault(d, 'dev_start_fails', 5)
                c = Container(fe)
                if moment == 'comes':
                    c.until(lambda: d.telemetry('/vfring/ports,sim0')['halted'], lambda: f'the halt: {d.tail()}')
                c.until(lambda: not d.telemetry('/vfring/ports,sim0')['halted'], lambda: f'the end of the halt: {d.tail()}')
                up(d, c)
                ran = c.run(500)
                if moment == 'goes':
                    fault(d, 'dev_start_fails', 5)
            if moment == 'goes':
                wait_for(lambda: d.telemetry('/vfring/ports,sim0')['halted'], 10, lambda: f'the halt: {d.tail()}')
            wait_for(lambda: not d.telemetry('/vfring/ports,sim0')['halted'], 20, lambda: f'the end of the halt: {d.tail()}')
            verdict(t, d, c, f'a device that does not start for a while when a ring {moment}', ran)


def halted_neighbour(t):
    """While the device does not start, one container leaves: the other one is served all the same when it does."""
    with Daemon(config(',stop_queues=0,dma=copy,flows=64', containers=2, port={'queues': 2})) as d, \
            Frontend(d.dir + '/c01.sock') as fe:
        with Frontend(d.dir + '/c00.sock') as a:
            first = Container(a)
            up(d, first, q=0)
            fault(d, 'dev_start_fails', 3)
            second = Container(fe)
            wait_for(lambda: d.telemetry('/vfring/ports,sim0')['halted'], 10, lambda: f'the halt: {d.tail()}')
        up(d, second, q=1)
        t.ok(second.run(300) and not second.bad and not first.bad,
             'a container leaves a device that does not start: its neighbour is served',
             f'{second.bad[:3]} {queue(d, q=1)}\n{d.tail()}')


def beyond_repair(t, name, arguments=''):
    """The NIC does not give back what it was lent: the port is parked with the memory kept, the other port works."""
    with Daemon(config(arguments, ports=2)) as d, Frontend(d.dir + '/c10.sock') as other:
        good = Container(other)
        up(d, good, port=1)
        with Frontend(d.dir + '/c00.sock') as fe:
            c = Container(fe)
            up(d, c)
            c.run(200)
            fault(d, name, 1)
        wait_for(lambda: queue(d)['state'] == 'parked', 10, lambda: f'the queue to be parked: {queue(d)}\n{d.tail()}')
        ran = good.run(500)
        t.ok(ran and not good.bad and not c.bad and d.telemetry('/vfring/ports,sim0')['stuck'] == 1,
             f'{name}: the queue is parked, the other port works', d.tail())
        t.equal(d.stop(), 0, f'{name}: the daemon ends all the same')


def neighbours(t):
    """Three containers on a device that has to be stopped whole; one comes and goes, one never offers a buffer after a while."""
    begin = time.monotonic()
    with Daemon(config(',stop_queues=0,dma=copy,flows=64', containers=3, port={'queues': 3})) as d, \
            Frontend(d.dir + '/c00.sock') as a, Frontend(d.dir + '/c01.sock') as slow:
        first, second = Container(a), Container(slow)
        up(d, first, q=0)
        up(d, second, q=1)
        t.ok(first.run(200), 'stop_queues=0: the first container gets packets')
        # The second one reads no more: its ring runs out of buffers.
        wait_for(lambda: first.run(50) and queue(d, q=1)['rx_refill_shortages'] > 0, 20, 'the slow one to run out')
        bad = []
        for _ in range(3):
            with Frontend(d.dir + '/c02.sock') as fe:
                third = Container(fe)
                third.until(lambda: first.run(1) and is_mode(d, 'mapped', q=2), lambda: f'the third: {queue(d, q=2)}\n{d.tail()}')
                if not third.run(100):
                    bad.append('the third one got nothing')
            wait_for(lambda: first.run(1) and queue(d, q=2)['state'] == 'drain', 20, 'the third to be gone')
            up(d, first, q=0)
            if not first.run(200) or first.bad or third.bad:
                bad.append(f'{first.bad[:3]} {third.bad[:3]}')
        t.ok(not bad, 'stop_queues=0: neighbours that come and go cost the first one nothing but a moment', f'{bad}\n{d.tail()}')
        p = d.telemetry('/vfring/ports,sim0')
        t.ok(p['device_restarts'] >= 6 and 0 < p['device_gap_us'] <= p['device_gap_max_us'] < (time.monotonic() - begin) * 1e6,
             'stop_queues=0: the gaps are counted and measured', str(p))
        t.ok(queue(d, q=1)['state'] == 'copied' and queue(d, q=1)['why_copied'] == 'no buffers offered yet',
             'stop_queues=0: one without buffers runs copied, and keeps nobody from starting', str(queue(d, q=1)))
        t.ok(second.run(300) and not second.bad, 'stop_queues=0: once it reads again, it gets packets', f'{second.bad[:3]}')
        up(d, second, q=1)
        t.ok(second.run(300) and not second.bad, 'stop_queues=0: and is mapped again', f'{second.bad[:3]} {queue(d, q=1)}')
        s = sim(d)
        t.equal((s['rx_iommu_faults'], s['tx_iommu_faults']), (0, 0), 'stop_queues=0: no DMA where none was allowed')


def main(t):
    load_simvf()
    t.run(under_fault, t, 'rx_unfilled', 20, 'buffers that come home unfilled are filled with zeroes, in order',
          check=lambda q, s, c: q['rx_fillers'] == c.fillers == 20)
    t.run(under_fault, t, 'rx_out_of_order', 1, 'a packet that overtakes another ends the mapping, and nothing is out of order',
          rx='copied', arguments=',rate=20000', check=lambda q, s, c: q['rx_drop_order'] > 0)
    t.run(under_fault, t, 'rx_empty_free', 4, 'buffers given back on empty polls are offered again')
    t.run(under_fault, t, 'rx_by_position', 1, 'a driver that takes buffers by position is mapped as others')
    t.run(under_fault, t, 'tx_lost_completion', 1, 'a completion that never comes: transmit runs copied and goes on',
          tx='copied', check=lambda q, s, c: q['tx_unsure'] > 0)
    t.run(under_fault, t, 'pf_reset', 1, 'the PF was reset: the device is stopped and started, and all goes on')
    t.run(start_and_stop, t, 'rx_by_position', 1, 'buffers freed from the middle at stop')
    t.run(start_and_stop, t, 'rx_start_fails', 1, 'a queue that does not start at first')
    t.run(start_and_stop, t, 'dev_start_fails', 1, 'a device that does not start at first', ',stop_queues=0')
    t.run(halted, t)
    t.run(halted_neighbour, t)
    # Slowly, so that the NIC still has buffers when the container has gone.
    t.run(beyond_repair, t, 'rx_stop_fails', ',rate=500')
    t.run(beyond_repair, t, 'keep_on_stop', ',rate=500')
    t.run(neighbours, t)


with Tap() as t:
    t.run(main, t, name='faults of the NIC')
sys.exit(t.status)
