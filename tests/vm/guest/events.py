#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""events.py hand|ini [CASE]: what happens to a NIC while its VFs are in use."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))
from guest import Pf, Wire, main, netdev, write
from bench import MACS, Bench, container, mapped, testpmd, wait_mapped
from provisioned import state
from rig import run, wait_for


def start_writing(path, value):
    """A process that writes there, for the kernel may wait in it until a VF is let go."""
    return subprocess.Popen(['sh', '-c', f'echo {value} >{path}'])


def pf_down_up(t, bench):
    with bench.daemon(2) as d, testpmd(d, 0), testpmd(d, 1):
        for n in range(2):
            wait_mapped(d, n)
        for how in ('down', 'down for longer'):
            run('ip', 'link', 'set', bench.pf.netdev, 'down')
            if how == 'down':
                run('ip', 'link', 'set', bench.pf.netdev, 'up')
            else:
                wait_for(lambda: not bench.echo(0, [100])['ok'], 10, 'silence')
                run('ip', 'link', 'set', bench.pf.netdev, 'up')
            for n in range(2):
                wait_for(lambda: bench.echo(n, [100])['ok'], 30,
                         lambda: f'frames again on wire{n}:\n{container(d, n)}\n{d.tail()}')
                r = bench.echo(n)
                t.ok(r['ok'] and mapped(d, n), f'PF {how} and up again: frames flow again on VF {n}, mapped',
                     f'{r}\n{d.tail()}')
        status = d.stop(20)
        t.ok(status == 0, 'PF down and up: the daemon ends', f'status {status}\n{d.tail()}')


def take_away(t, bench, d, how):
    """All VFs, while traffic flows."""
    pf = bench.pf
    with bench.blast(0):
        for n in range(2):
            wait_mapped(d, n)
        before = wait_for(lambda: container(d, 0), 30, 'an answer')['rx_mapped']
        wait_for(lambda: (container(d, 0) or {}).get('rx_mapped', 0) > before + 50, 30, 'traffic')
        if how == 'VFs disabled':
            writer = start_writing(f'{pf.path}/sriov_numvfs', 0)
        else:
            writer = start_writing('/sys/bus/pci/drivers/igb/unbind', pf.address)
        wait_for(lambda: writer.poll() is not None, 30, lambda: f'the kernel to have the VFs back:\n{d.tail()}')
        wait_for(lambda: (container(d, 0) or {}).get('ring_pairs_working') == 0, 30,
                 lambda: f'the rings to be taken back:\n{d.tail()}')
        t.ok(d.alive, f'{how}: the daemon lives, answers, and uses the VFs no more', d.tail())
    if how != 'VFs disabled':
        write('/sys/bus/pci/drivers/igb/bind', pf.address)
        if netdev(pf.address) != pf.netdev:  # udev would do that
            run('ip', 'link', 'set', netdev(pf.address), 'name', pf.netdev)
        pf.up()


def vfs_vanish(t, bench, how):
    """All VFs go away while two are in use; made anew, they are used again."""
    pf = bench.pf
    if bench.how == 'ini':
        pf.enable(3, autoprobe=1)
        others = state(pf)
        bench.prepare()
    with bench.daemon(2) as d, testpmd(d, 0), testpmd(d, 1):
        take_away(t, bench, d, how)
        if bench.how == 'ini':
            pf.enable(3, autoprobe=1)
        else:
            bench.prepare()
        for n in range(2):
            # All sizes at once: the PF's link may go down and up in between, as VFs were enabled just now.
            wait_for(lambda: mapped(d, n) and bench.echo(n)['ok'] and mapped(d, n), 60,
                     lambda: f'frames again on wire{n}:\n{container(d, n)}\n{d.tail()}')
            t.ok(MACS[n] in pf.info(n), f'{how}, and enabled again: frames flow again on VF {n}, mapped', pf.info(n))
        port = wait_for(lambda: d.telemetry('/vfring/ports,wire0'), 30, 'an answer')
        t.equal(port['removed'], 0, f'{how}, and enabled again: a port as any other')
        take_away(t, bench, d, how)
        if bench.how == 'ini':
            pf.enable(3, autoprobe=1)  # taken, or not looked at yet
        status = d.stop(20)
        t.ok(status == 0, f'{how}: the daemon ends', f'status {status}\n{d.tail()}')
    if bench.how == 'ini':
        t.equal(state(pf), others, f'{how}: VFs that others have made stay as they were')


def cases(how):
    with Wire() as net:
        bench = Bench(net, Pf(), how)
        yield 'PF down and up', pf_down_up, bench
        for how in ('VFs disabled', 'PF without driver'):
            bench.prepare()
            yield how, vfs_vanish, bench, how


sys.exit(main(cases))
