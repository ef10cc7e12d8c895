#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""provision.py ini [CASE]: VFs that the daemon enables, picks, configures, binds, and gives back as they were."""
import contextlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))
from guest import WIRE, Pf, Wire, dmesg, main, netdev, read
from bench import MACS, SWITCH, Bench, testpmd, wait_mapped
from provisioned import check_refused, port, refused, state, vf_state
from rig import VFRINGD, Daemon, Process, Timeout, run, wait_for


def daemon(ports, containers=()):
    """With these port sections, and a container web<n> on the first ports or on those given."""
    config = {'switch': SWITCH, **{f'port wire{n}': p for n, p in enumerate(ports)}}
    for n in containers or range(len(ports)):
        config[f'container web{n}'] = {'socket': f'{{dir}}/web{n}.sock', 'port': f'wire{n}'}
    return Daemon(config, limit=60)


def enables(t, bench):
    """No VF there: they are enabled for the daemon's life."""
    pf = bench.pf
    before = state(pf)
    ports = [port(pf, 0, mac=MACS[0], trust='on', spoof_check='off'),
             port(pf, 1, mac=MACS[1], vlan=100, max_tx_rate=500)]
    with daemon(ports) as d:
        with testpmd(d, 0), testpmd(d, 1):
            for n in range(2):
                wait_mapped(d, n)
        t.equal(pf.count, 2, 'none enabled: as many as are needed are')
        t.equal([(pf.vf(n).driver, pf.vf(n).override) for n in range(2)], [('vfio-pci', 'vfio-pci')] * 2,
                'the VFs are bound to vfio-pci')
        first, second = pf.info(0), pf.info(1)
        t.ok(MACS[0] in first and 'trust on' in first and 'spoof checking off' in first and 'vlan' not in first,
             'MAC address, trust and anti-spoofing are as configured', first)
        t.ok(MACS[1] in second and 'vlan 100' in second and 'tx rate 500' in second and 'spoof checking on' in second
             and 'trust off' in second, 'MAC address, VLAN and rate are as configured', second)
        status = d.stop(20)
        t.ok(status == 0, 'the daemon ends', f'{status}\n{d.tail()}')
    t.equal(state(pf), before, 'after a clean exit all is as it was: no VFs')


def existing(pf):
    """Three VFs of somebody else's making, with the kernel's driver; one has a MAC address and a VLAN."""
    pf.enable(3, autoprobe=1)
    pf.up()
    pf.vf(1).set('mac', '02:76:66:aa:00:01')
    pf.vf(1).set('vlan', 7)
    for n in range(3):
        pf.vf(n).bind('igbvf')
        pf.vf(n).override = ''


def picks(t, bench):
    """VFs are there: one is picked, one is named; both are given back."""
    pf = bench.pf
    existing(pf)
    run('ip', 'link', 'set', netdev(pf.vf(0).address), 'up')
    before = state(pf)
    with daemon([port(pf, 'auto', mac=MACS[0]), port(pf, 1, mac=MACS[1], vlan=100)]) as d:
        with testpmd(d, 0), testpmd(d, 1):
            for n in range(2):
                wait_mapped(d, n)
        t.equal(pf.count, 3, 'VFs are there: their number stays')
        t.equal([pf.vf(n).driver for n in range(3)], ['igbvf', 'vfio-pci', 'vfio-pci'],
                'auto takes the first VF that nobody uses')
        t.ok(MACS[1] in pf.info(1) and 'vlan 100' in pf.info(1) and MACS[0] in pf.info(2), 'both are as configured',
             f'{pf.info(1)}\n{pf.info(2)}')
        d.stop(20)
    t.equal(state(pf), before, 'after a clean exit all is as it was: drivers, names, MAC addresses, VLAN')


def killed(t, bench):
    """kill -9: the next start takes over, and knows what was there at first."""
    pf = bench.pf
    existing(pf)
    before = state(pf)
    ports = [port(pf, 0, mac=MACS[0]), port(pf, 1, mac=MACS[1], vlan=100)]
    with daemon(ports) as d:
        configured = [vf_state(pf, n) for n in range(2)]
        for n in range(2):
            d.kill9()
            t.equal([vf_state(pf, n) for n in range(2)], configured, 'after kill -9 the VFs are as configured')
            d.start()
            t.equal([vf_state(pf, n) for n in range(2)], configured, 'the next start takes them over')
        with testpmd(d, 0), testpmd(d, 1):
            for n in range(2):
                wait_mapped(d, n)
            r = bench.echo(1, vlan=100)
            t.ok(r['ok'], 'frames flow, in the VLAN', f'{r}\n{d.tail()}')
        d.kill9()
    # Another configuration leaves out the second VF.
    with daemon(ports[:1]) as d:
        if not t.equal(vf_state(pf, 1), before['VF 1'], 'what a start does not claim, it gives back'):
            vf = pf.vf(1)
            t.diag(read(f'{vf.path}/net/{netdev(vf.address)}/addr_assign_type'))
            t.diag(d.tail(100))
            t.diag('\n'.join(dmesg('igb|01:10').splitlines()[-40:]))
        d.stop(20)
    t.equal(state(pf), before, 'after a clean exit all is as it was before the first start')


def wrong(t, bench):
    """Errors in the configuration, and machines that cannot do what it asks."""
    pf = bench.pf
    mac = {'mac': MACS[0]}
    check_refused(t, 'no such PF', [{'device': 'pf:nic7,vf=0', **mac}], 'nic7.*' + pf.netdev)
    check_refused(t, 'a PF that has no SR-IOV', [{'device': f'pf:{WIRE},vf=0', **mac}], f'{WIRE}.*SR-IOV')
    check_refused(t, 'no such VF', [port(pf, 7, **mac)], 'vf=7.*7 ')
    check_refused(t, 'more VFs than the PF can have', [port(pf, 'auto') for _ in range(8)], '8 VF.*7')
    check_refused(t, 'one VF for two ports', [port(pf, 0), port(pf, 0)], 'wire[01]')
    check_refused(t, 'link state, which igb cannot set', [port(pf, 0, link_state='enable')], r'\] link_state: .*igb')
    check_refused(t, 'a minimal rate, which igb cannot set', [port(pf, 0, max_tx_rate=100, min_tx_rate=50)],
                  r'rate.*igb')
    existing(pf)
    check_refused(t, 'fewer VFs enabled than needed', [port(pf, 3, **mac)], 'has 3 VF.*sriov_numvfs')
    check_refused(t, 'exhausted VFs', [port(pf, 'auto') for _ in range(4)], 'none of the 3 VF.*4 are needed')
    name = netdev(pf.vf(2).address)
    run('ip', 'link', 'set', name, 'up')
    check_refused(t, 'a VF whose netdev is up', [port(pf, 2)], f'VF 2 .*in use: netdev {name}, up')
    run('ip', 'link', 'set', name, 'down')
    run('ip', 'netns', 'add', 'away')
    run('ip', 'link', 'set', name, 'netns', 'away')
    check_refused(t, 'a VF in another namespace', [port(pf, 2)], 'VF 2 .*in use: .*namespace')
    run('ip', 'netns', 'del', 'away')
    wait_for(lambda: netdev(pf.vf(2).address), 10, 'the netdev to come back')
    with daemon([port(pf, 1)]) as d:
        check_refused(t, "another vfringd's VF", [port(pf, 1)], f'VF 1 .*in use: vfringd instance {d.instance}')
    pf.vf(2).bind('vfio-pci')
    pmd = ['dpdk-testpmd', '--no-huge', '--no-shconf', '-m', '64', '--file-prefix', 'foreign', '-a', pf.vf(2).address,
           '--', '-i', '--total-num-mbufs=2048']
    with Process(pmd, tty=True) as foreign:
        foreign.wait_output('^testpmd> ', 60)
        check_refused(t, "another program's VF", [port(pf, 2)],
                      f'VF 2 .*in use: vfio-pci, opened by pid {foreign.pid} .*testpmd')


def no_memlock(t, bench):
    wrap = ['prlimit', f'--memlock={8 << 20}', 'setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-ipc_lock']
    pf = bench.pf
    before = state(pf)
    status, output = refused({'switch': SWITCH, 'port wire0': port(pf, 0)}, wrap=wrap)
    t.ok(status == 1 and
         re.search(r'wire0: cannot open .* limit of 8192 KiB of locked memory.* least 13\d{4} KiB', output),
         "too little memory may be locked for the daemon's own: refused, and said why", f'{status}\n{output}')
    t.equal(state(pf), before, 'too little memory may be locked: nothing is left changed')


def namespaces(t, bench):
    """kind = netns, beside a mapped container, on one PF."""
    pf = bench.pf
    before = state(pf)
    config = {'switch': SWITCH, 'port wire0': port(pf, 0, mac=MACS[0], vlan=100)}
    for n in (0, 1):
        config[f'port db{n}'] = port(pf, n + 1, mac=f'02:76:66:03:00:0{n}', vlan=100)
        config[f'container db{n}'] = {'kind': 'netns', 'port': f'db{n}', 'netns': f'/run/netns/db{n}', 'ifname': 'eth9',
                                      'address': f'10.0.0.{n + 1}/24'}
    config['container web0'] = {'socket': '{dir}/web0.sock', 'port': 'wire0'}

    def there(n):
        p = run('ip', '-o', 'address', 'show', 'dev', 'eth9', netns=f'db{n}', check=False)
        return p.returncode == 0 and f'10.0.0.{n + 1}/24' in p.stdout and \
            'LOWER_UP' in run('ip', 'link', 'show', 'dev', 'eth9', netns=f'db{n}')

    def pings():
        """The link may be down for a while, and an answer late: three in the end."""
        out = []

        def three():
            out.append(run('ping', '-c', 3, '-i', 0.2, '-w', 10, '10.0.0.2', netns='db0', check=False).stdout)
            return ' 3 received' in out[-1]
        with contextlib.suppress(Timeout):
            wait_for(three, 30, 'three answers')
        return out[-1]

    with contextlib.ExitStack() as stack:
        run('ip', 'netns', 'add', 'db0')
        stack.callback(run, 'ip', 'netns', 'del', 'db0', check=False)
        d = stack.enter_context(Daemon(config, limit=60))
        wait_for(lambda: there(0), 30, lambda: f'the first namespace to have its VF:\n{d.tail()}')
        # The second one appears late.
        run('ip', 'netns', 'add', 'db1')
        stack.callback(run, 'ip', 'netns', 'del', 'db1', check=False)
        wait_for(lambda: there(1), 30, lambda: f'the second namespace to have its VF:\n{d.tail()}')
        t.ok(MACS[0] not in pf.info(1) and '02:76:66:03:00:00' in run('ip', 'link', 'show', 'eth9', netns='db0'),
             "VFs are in their namespaces: named, addressed, up, with the MAC address configured", pf.info(1))
        out = pings()
        t.ok(' 3 received' in out, 'two namespaces ping each other through their VFs', f'{out}\n{d.tail()}')
        with testpmd(d, 0):
            wait_mapped(d, 0)
            r = bench.echo(0, vlan=100)
            t.ok(r['ok'], 'beside them a container is mapped', f'{r}\n{d.tail()}')
        # A namespace dies with its VF in it, and comes again.
        run('ip', 'netns', 'del', 'db1')
        run('ip', 'netns', 'add', 'db1')
        wait_for(lambda: there(1), 30, lambda: f'the new namespace to have its VF:\n{d.tail()}')
        out = pings()
        t.ok(' 3 received' in out, 'a namespace that comes again gets its VF again', f'{out}\n{d.tail()}')
        d.kill9()
        out = pings()
        t.ok(' 3 received' in out, 'after kill -9 of the daemon they still do', out)
        d.start()
        wait_for(lambda: there(0) and there(1), 30, lambda: f'the namespaces to have their VFs:\n{d.tail()}')
        out = pings()
        t.ok(' 3 received' in out, 'and after its next start', f'{out}\n{d.tail()}')
        pf.enable(3, autoprobe=1)
        wait_for(lambda: there(0) and there(1), 60, lambda: f'the namespaces to have new VFs:\n{d.tail()}')
        out = pings()
        t.ok(' 3 received' in out and all('vlan 100' in pf.info(n) for n in (1, 2)),
             'all VFs destroyed and made anew: namespaces get theirs again, in the VLAN', f'{out}\n{d.tail()}')
        d.stop(20)
        t.ok(not there(0) and not there(1), 'after a clean exit they have them no more', d.tail())
    pf.enable(0, autoprobe=1)  # the VFs were ours
    t.equal(state(pf), before, 'namespaces: after a clean exit all is as it was')


def lists(t, bench):
    pf = bench.pf
    existing(pf)
    with daemon([port(pf, 0, mac=MACS[0])]) as d:
        out = run(VFRINGD, '--list-vfs')
        t.diag(out)
        rows = [line for line in out.splitlines() if '0000:01:1' in line]
        t.ok(pf.netdev in out and pf.address in out and 'igb' in out and len(rows) == 3,
             '--list-vfs shows the PF and its VFs', out)
        t.ok(len(rows) == 3 and 'vfio-pci' in rows[0] and MACS[0] in rows[0] and
             f'vfringd instance {d.instance}' in rows[0] and
             '02:76:66:aa:00:01' in rows[1] and ' 7 ' in rows[1] and 'igbvf' in rows[1] and 'free' in rows[1],
             '--list-vfs shows drivers, addresses, VLANs, users', out)


def cases(how):
    with Wire() as net:
        bench = Bench(net, Pf(), how)
        for test in (enables, picks, killed, wrong, no_memlock, namespaces, lists):
            bench.prepare()
            yield test.__name__, test, bench


sys.exit(main(cases))
