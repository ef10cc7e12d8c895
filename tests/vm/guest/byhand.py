#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))
from guest import Pf, Wire, dmesg
import wire
from rig import Daemon, Testpmd, wait_for
from tap import Tap

t0 = time.monotonic()


def log(*a):
    print(f'{time.monotonic() - t0:.2f}', *a, file=sys.stderr, flush=True)


with Tap() as t, Wire() as net:
    pf = Pf()
    pf.enable(3)
    config = {'switch': {'workers': 1, 'hugepages': 'off', 'memory': 128, 'idle_sleep_max': 100}}
    for n in range(2):
        vf = pf.vf(n)
        vf.set('mac', f'02:76:66:02:00:0{n}')
        if n:
            vf.set('vlan', 100)
        vf.bind('vfio-pci')
        config[f'port wire{n}'] = {'device': vf.address}
        config[f'container web{n}'] = {'socket': f'{{dir}}/web{n}.sock', 'port': f'wire{n}'}
    log('prepared')
    with Daemon(config, limit=60) as d, contextlib.ExitStack() as stack:
        log(d.output)
        pmds = [stack.enter_context(Testpmd(d.dir + f'/web{n}.sock', lcores='0@0,1@2', memory=64, limit=60)) for n in range(2)]
        log('testpmd')
        for n in range(2):
            try:
                wait_for(lambda: d.telemetry(f'/vfring/queues,wire{n}:0')['state'] in ('mapped', 'copied'), 10, 'working')
            except Exception as e:
                log(e)
            log(d.telemetry(f'/vfring/queues,wire{n}:0'))
            log(d.tail(8))
        for n in range(2):
            r = wire.echo_compare(net.peer, range(60, 1515, 17), vlan=100 if n else None, netns=net.name, dst=bytes.fromhex(f'0276660200{n:02x}'))
            log(r)
            t.ok(r['ok'], 'echo', str(r))
            log(d.telemetry(f'/vfring/queues,wire{n}:0'))
            log(d.telemetry(f'/vfring/containers,web{n}'))
        log('stopping')
        try:
            d.stop()
        except Exception as e:
            log(e)
        log(d.tail())
    log(dmesg('DMAR'))
sys.exit(t.status)
