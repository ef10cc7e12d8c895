#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A container that sleeps is woken, and one that polls is left alone: flags and EVENT_IDX, split and packed rings, both
directions. And it need not kick."""
import json
import os
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import rig
import vhost_user
import wire
from rig import Daemon, Netns, Process, one_container, wait_for
from tap import Tap

PEER = os.path.join(rig.ROOT, 'build/tests/peer-rx-interrupts')
ROUNDS = 300


def container(d):
    return d.telemetry('/vfring/containers,web0')


def kicked(fe):
    """Kicks since the last time."""
    return sum(os.eventfd_read(fd) for fd in select.select([r.kick_fd for r in fe.rings], [], [], 0)[0])


def notifications(t, net, mapping, features, kind, packed):
    name = f'{"packed, " if packed else ""}{kind}, mapping = {mapping}'
    with Daemon(one_container(net, mapping=mapping)) as d, \
            vhost_user.Frontend(d.dir + '/web0.sock', packed=packed, ring_size=257 if packed else 256) as fe, \
            wire.Wire(net.peer, net.name) as w:
        # Near the end of the ring, or of the 16 bits, so that places, indices and events wrap on the way.
        for ring in fe.rings:
            ring.reset(200 if packed else 65400)
        fe.start(features)
        rx, tx = fe.rx[0], fe.tx[0]
        rx.post(size=2176)
        wait_for(lambda: container(d)['rx_mode'] in ('mapped', 'copied'), 10, 'the ring to work')
        kicked(fe)  # before that, they are due
        frames = wire.Frames(w.mac)
        # Each start begins with a call on both, see missed_calls().
        rx.wait_call(10)
        tx.wait_call(10)

        missed = 0
        for n in range(ROUNDS):
            rx.arm()
            w.send(frames.addresses + frames.make(n, 100))
            missed += not rx.wait_call(10)
            got = rx.receive(1, 10)
            missed += len(got) != 1
        t.ok(missed == 0, f'{name}: {ROUNDS} single packets, each one wakes the receiver', f'{missed} missed\n{container(d)}')

        missed = 0
        for n in range(ROUNDS):
            tx.arm()
            tx.send(frames.addresses + frames.make(n, 100))
            missed += not tx.wait_call(10)
            tx.complete()
        t.ok(missed == 0, f'{name}: {ROUNDS} single packets, each completion wakes the sender', f'{missed} missed')

        rx.disarm()
        before = container(d)['rx_notifications']
        for n in range(ROUNDS):
            w.send(frames.addresses + frames.make(n, 100))
            rx.receive(1, 10)
        after = container(d)['rx_notifications']
        # EVENT_IDX cannot say never: a disarmed split ring may be called once in 65536.
        t.ok(after - before <= (not packed), f'{name}: a receiver that polls is not called', f'{after - before} calls')
        if packed:
            t.ok(not kicked(fe), f'{name}: nobody had to be kicked', str([r.device_event for r in fe.rings]))


def missed_calls(t, net, features, kind, packed):
    """A sleeper whose last call was never made, as by a daemon that died in between: a new start wakes it."""
    kind = f'{"packed, " if packed else ""}{kind}'
    with Daemon(one_container(net)) as d, vhost_user.Frontend(d.dir + '/web0.sock', packed=packed) as fe, \
            wire.Wire(net.peer, net.name) as w:
        frames = wire.Frames(w.mac)
        rx, tx = fe.rx[0], fe.tx[0]

        def killed():
            d.kill9()
            d.start()
            fe.start(features)

        def taken_back():
            fe.start_rings(fe.stop())

        fe.start(features)
        rx.post(size=2176)
        for what, restart in (('a daemon that was killed', killed), ('a ring that was taken back', taken_back)):
            wait_for(lambda: container(d)['rx_mode'] == 'mapped', 10, 'the ring to be mapped')
            rx.disarm()
            tx.disarm()
            w.send(frames.addresses + frames.make(1, 100))
            tx.send(frames.addresses + frames.make(2, 100))
            for ring in (rx, tx):
                wait_for(lambda r=ring: r.has_used, 5, 'the buffer to be used')
                ring.wait_call(0)
                ring.arm()
            restart()
            woken = rx.wait_call(10) > 0, tx.wait_call(10) > 0
            t.ok(woken == (True, True), f'{kind}: after {what}, receiver and sender are woken', f'{woken}\n{container(d)}')
            t.ok(len(rx.receive(1, 10)) == 1 and len(tx.complete()) == 1, f'{kind}: and find what they waited for')


def real_driver(t, net, mapping, vdev):
    name = f'Rx interrupts of virtio-user{vdev and f", {vdev}"}, mapping = {mapping}'
    with Daemon(one_container(net, mapping=mapping)) as d, Process(
            [PEER, '--no-huge', '-m', 128, '--no-shconf', '--no-telemetry', '--no-pci', '--file-prefix', d.instance,
             '--lcores', '0@0', f'--vdev=net_virtio_user0,path={d.dir}/web0.sock{vdev and "," + vdev}']) as peer:
        peer.wait_output('^ready$', 20)
        wait_for(lambda: container(d)['rx_mode'] in ('mapped', 'copied'), 10, 'the ring to work')
        # With pauses around the time that it takes to fall asleep.
        r = wire.echo_compare(net.peer, [100], count=ROUNDS, window=1, rate=2000, netns=net.name)
        t.ok(r['ok'], f'{name}: {ROUNDS} single packets, each one wakes the container', f'{r}\n{container(d)}')
        calls = container(d)['rx_notifications']
        peer.end_input()
        peer.wait()
        found = json.loads(peer.output.splitlines()[-1])
        t.ok(found['packets'] == ROUNDS and ROUNDS / 20 < found['sleeps'] <= 2 * calls, f'{name}: it did sleep',
             f'{found}, {calls} calls')


def odd_call_fds(t, net):
    """A call descriptor that is no eventfd, or a full one, must not stop the worker."""
    with Daemon(one_container(net)) as d, vhost_user.Frontend(d.dir + '/web0.sock') as fe, \
            wire.Wire(net.peer, net.name) as w:
        fe.start()
        rx = fe.rx[0]
        rx.post(size=2176)
        wait_for(lambda: container(d)['rx_mode'] == 'mapped', 10, 'the ring to be mapped')
        frames = wire.Frames(w.mac)
        r, wr = os.pipe()
        full = os.eventfd(0)
        os.eventfd_write(full, 2**64 - 2)  # the next write would block
        for what, fd in (('a pipe', wr), ('a full eventfd', full), ('none', -1)):
            fe.set_vring_call(rx, fd)
            fe.sync()
            rx.raw_avail_flags(0)
            good = 0
            for n in range(100):
                w.send(frames.addresses + frames.make(n, 100))
                good += len(rx.receive(1, 10))
            t.ok(good == 100, f'call descriptor: {what}: packets flow', f'{good}\n{d.tail()}')
        for fd in (r, wr, full):
            os.close(fd)


with Tap() as t, Netns('vft-notify', host='vft-n0') as net:
    for mapping in ('auto', 'off'):
        for packed in (False, True):
            t.run(notifications, t, net, mapping, vhost_user.DEFAULT_FEATURES, 'flags', packed, name='flags')
            t.run(notifications, t, net, mapping, vhost_user.DEFAULT_FEATURES | vhost_user.EVENT_IDX, 'EVENT_IDX', packed,
                  name='EVENT_IDX')
        for vdev in ('', 'mrg_rxbuf=0,in_order=1', 'in_order=0', 'packed_vq=1', 'packed_vq=1,in_order=0'):
            t.run(real_driver, t, net, mapping, vdev, name='Rx interrupts')
    for packed in (False, True):
        t.run(missed_calls, t, net, vhost_user.DEFAULT_FEATURES, 'flags', packed)
        t.run(missed_calls, t, net, vhost_user.DEFAULT_FEATURES | vhost_user.EVENT_IDX, 'EVENT_IDX', packed)
    t.run(odd_call_fds, t, net)
sys.exit(t.status)
