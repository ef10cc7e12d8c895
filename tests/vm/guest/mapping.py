#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""mapping.py hand|ini [CASE]: VFs mapped into containers. They are prepared by hand, or by the daemon."""
import contextlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))
from guest import Pf, Wire, main, write
from bench import Bench, check_counters, compare, container, mapped, queue, settle, tagged, testpmd, wait_mapped
import wire
from rig import Hugepages, wait_for


def own_frames(t, d, w, boxes):
    """From the wire and to it: everybody gets what is for him, whole and in order."""
    # Frames that nobody may get, between the others: an unknown address, and each box's in a VLAN that is not its own.
    unknown = bytes.fromhex('027666090000') + w.mac + b'\x88\xb5'.ljust(100)
    strangers = [tagged(unknown, vlan) for vlan in (None, 100, 101)]
    strangers += [tagged(f, vlan) for box in boxes for vlan in {None, 100, 101} - {box.vlan}
                  for f in box.frames(2, box.mac) if box.vlan or not vlan]
    wanted = [box.frames(40, box.mac) for box in boxes]
    for batch in zip(*wanted):
        for box, frame in zip(boxes, batch):
            w.send(tagged(frame, box.vlan))
            box.poll()
        if strangers:
            w.send(strangers.pop())
    settle(boxes, [len(frames) for frames in wanted])
    bad = [f'web{box.n}: {text}' for box, frames in zip(boxes, wanted) if (text := compare(box.got, frames))]
    t.ok(not bad and not strangers, 'each container gets its own frames from the wire, and no others',
         '\n'.join([*bad, d.tail()]))
    for box in boxes:
        box.got.clear()
        frames = box.frames(40, w.mac)
        for frame in frames:
            box.fe.tx[0].send(frame)
            box.poll()
        got = []
        while (frame := w.recv(30 if len(got) < len(frames) else 0.2)) is not None:
            got.append(frame)
        bad = compare(got, [tagged(frame, box.vlan) for frame in frames])
        t.ok(not bad, f'what web{box.n} sends is on the wire, with its VLAN', bad)


def each_other(t, d, w, boxes):
    """Through the NIC's own switch."""
    talking = [box for box in boxes if box.vlan == boxes[-1].vlan][-2:]
    for a, b in (talking, talking[::-1]):
        frames = a.frames(40, b.mac, tag=1)
        for frame in frames:
            a.fe.tx[0].send(frame)
            for box in boxes:
                box.poll()
        settle(boxes, [len(frames) if box == b else 0 for box in boxes])
        bad = [f'web{box.n}: {text}' for box in boxes if (text := compare(box.got, frames if box == b else []))]
        on_wire = w.recv(0.2)
        t.ok(not bad and on_wire is None,
             f'web{a.n} to web{b.n}, through the NIC: whole, in order, and seen by nobody else',
             '\n'.join([*bad, f'on the wire: {on_wire and on_wire[:24].hex()}', d.tail()]))
        for box in boxes:
            box.got.clear()


def broadcasts(t, d, w, boxes):
    everybody = b'\xff' * 6
    for vlan in sorted({box.vlan for box in boxes}, key=str):
        frame = everybody + w.mac + b'\x88\xb5'.ljust(200, b'b')
        w.send(tagged(frame, vlan))
        settle(boxes, [int(box.vlan == vlan) for box in boxes])
        bad = [f'web{box.n}: {text}' for box in boxes
               if (text := compare(box.got, [frame] if box.vlan == vlan else []))]
        t.ok(not bad, f'a broadcast in VLAN {vlan} reaches all who are there, and nobody else', '\n'.join(bad))
        for box in boxes:
            box.got.clear()
    sender = boxes[-1]
    (frame,) = sender.frames(2, everybody)[:1]
    sender.fe.tx[0].send(frame)
    # The emulated NIC gives it to the sender, too.
    others = [box for box in boxes if box != sender]
    settle(others, [int(box.vlan == sender.vlan) for box in others])
    bad = [f'web{box.n}: {text}' for box in others
           if (text := compare(box.got, [frame] if box.vlan == sender.vlan else []))]
    bad += filter(None, [compare([w.recv(30)], [tagged(frame, sender.vlan)])])
    t.ok(not bad, f'a broadcast of web{sender.n} reaches its VLAN and the wire', '\n'.join(bad))


def frames_of_three(t, bench):
    with contextlib.ExitStack() as stack:
        d = stack.enter_context(bench.daemon(3))
        boxes = [stack.enter_context(bench.box(d, n)) for n in range(3)]
        w = stack.enter_context(wire.Wire(bench.net.peer, bench.net.name))
        for box in boxes:
            box.start()
        t.run(own_frames, t, d, w, boxes)
        t.run(each_other, t, d, w, boxes)
        t.run(broadcasts, t, d, w, boxes)
        check_counters(t, d, 'three containers', 3)


def memory_kinds(t, bench):
    """What container memory may be made of."""
    kinds = [('eight regions', {'memory': (4 << 20,) * 8}),
             ('eight regions of hugepages, packed rings', {'memory': (4 << 20,) * 8, 'page': 2 << 20, 'packed': True}),
             ('a page of 1 GiB', {'memory': (1 << 30,), 'page': 1 << 30})]
    with bench.daemon(1) as d, wire.Wire(bench.net.peer, bench.net.name) as w, Hugepages(16):
        for name, kwargs in kinds:
            def check():
                with bench.box(d, 0, **kwargs) as box:
                    box.start()
                    frames = box.frames(300, box.mac)
                    for frame in frames:
                        w.send(tagged(frame, box.vlan))
                        box.poll()
                    settle([box], [300])
                    bad = compare(box.got, frames)
                    t.ok(not bad, f'memory: {name}: every buffer is used, every frame right', f'{bad}\n{d.tail()}')
                    c = container(d, 0)
                    t.ok(c['memory_regions'] == len(box.fe.mem.regions) and c['rx_mode'] == 'mapped',
                         f'memory: {name}: mapped', f'{c}\n{d.tail()}')
            t.run(check, name=f'memory: {name}')
            wait_for(lambda: not container(d, 0)['connected'], 10, 'the container to be gone')


def check_traffic(t, name, bench, n, traffic):
    r = traffic.result
    t.ok(r['returned'] > 0 and r['corrupted'] == r['duplicated'] == r['reordered'] == 0,
         f'{name}: what came back meanwhile was whole, in order and once', str(r))
    r = bench.echo(n)
    t.ok(r['ok'], f'{name}: afterwards every frame comes back unchanged', str(r))


def wait_traffic(*pmds):
    """Until each has sent 100 packets more."""
    def sent():
        # Not by a command: what testpmd says of its link may come behind the prompt.
        return [pmd.telemetry('/ethdev/stats,0')['opackets'] for pmd in pmds]
    before = sent()
    wait_for(lambda: all(now > then + 100 for now, then in zip(sent(), before)), 30, 'traffic')


def container_killed(t, bench):
    name = 'container killed'
    with bench.daemon(2) as d, testpmd(d, 1), bench.blast(0) as traffic, bench.blast(1) as others:
        wait_mapped(d, 1)
        starts = queue(d, 1)['starts']
        for n in range(3):
            with testpmd(d, 0) as pmd:
                wait_mapped(d, 0)
                wait_traffic(pmd)
                if n < 2:
                    pmd.kill9()
                    continue
                traffic.__exit__()
                others.__exit__()
                check_traffic(t, name, bench, 0, traffic)
                # It may lose frames while its container gets no CPU time, but not for its neighbour's sake.
                r = others.result
                t.ok(r['corrupted'] == r['duplicated'] == r['reordered'] == 0 and queue(d, 1)['starts'] == starts,
                     f'{name}: its neighbour on another VF was never stopped',
                     f'{r}\n{queue(d, 1)}')
        c = container(d, 0)
        t.ok(c['connections'] == 3 and c['resets'] == 0, f'{name}: three connections, none reset', f'{c}\n{d.tail()}')


def memory_grows(t, bench):
    """As in integration/memory.py."""
    name = 'memory grows'
    # On the big page there would be nothing to grow for.
    with contextlib.suppress(FileNotFoundError):
        write('/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages', 0)
    with Hugepages(120), bench.daemon(1) as d, testpmd(d, 0, huge=True, memory=None) as pmd:
        wait_mapped(d, 0)
        starts = queue(d, 0)['starts']
        with bench.blast(0) as traffic:
            for commands in ((), ('port attach net_null0,size=8388608,no-rx=1', 'port start 1')):
                for command in commands:
                    pmd.command(command)
                wait_traffic(pmd)
        t.ok(queue(d, 0)['starts'] > starts and mapped(d, 0),
             f'{name}: the ring was taken back and mapped again', f'{container(d, 0)}\n{d.tail()}')
        check_traffic(t, name, bench, 0, traffic)


def daemon_restarts(t, bench, how):
    name = f'daemon {how}'
    with bench.daemon(2, socket_mode='client') as d, testpmd(d, 0, 'server=1') as a, testpmd(d, 1, 'server=1') as b:
        for n in range(2):
            wait_mapped(d, n)
        with bench.blast(0) as first, bench.blast(1) as second:
            wait_traffic(a, b)
            if how == 'killed':
                d.kill9()
            else:
                d.stop(20)
            d.start()
            for n in range(2):
                wait_mapped(d, n)
            wait_traffic(a, b)
        for n, traffic in enumerate((first, second)):
            check_traffic(t, f'{name}, web{n}', bench, n, traffic)
        check_counters(t, d, name, 2)


def little_locked_memory(t, bench):
    """The limit is enough for the daemon's own memory, and not for a container's."""
    wrap = ['prlimit', f'--memlock={160 << 20}', 'setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-ipc_lock']
    with bench.daemon(1, wrap=wrap) as d, testpmd(d, 0):
        wait_for(lambda: container(d, 0)['ring_pairs_working'], 30, 'the container to work')
        r = bench.echo(0)
        c = container(d, 0)
        t.ok(r['ok'] and c['rx_mode'] == c['tx_mode'] == 'copied' and 'locked memory' in c['why_copied'],
             'too little memory may be locked: copied, with the reason', f'{r}\n{c}\n{d.tail()}')
        t.ok(re.search(r'wire0: .*limit of 163840 KiB of locked memory.* allowed at least \d+ KiB', d.output),
             'too little memory may be locked: the log says how much is needed', d.tail())


def cases(how):
    with Wire() as net:
        bench = Bench(net, Pf(), how)
        yield 'frames', frames_of_three, bench
        yield 'memory', memory_kinds, bench
        yield 'container killed', container_killed, bench
        yield 'memory grows', memory_grows, bench
        yield 'memlock', little_locked_memory, bench
        for what in ('stopped', 'killed'):
            yield f'daemon {what}', daemon_restarts, bench, what


sys.exit(main(cases))
