#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon as its operator meets it: bad files, bad devices, signals, telemetry, vfringctl."""
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import rig
import wire
from rig import Daemon, Hugepages, Netns, Testpmd, listening, wait_for
from tap import Tap

VFRINGCTL = os.path.join(os.path.dirname(rig.VFRINGD), 'vfringctl')


def run(*argv, limit=20, user=None):
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=limit, user=user)
    return p.returncode, p.stdout, p.stderr


GOOD = """[switch]
workers = 1
hugepages = off
memory = 128
instance = {instance}
[port wire0]
device = {device}
[container web0]
socket = {dir}/web0.sock
port = wire0
"""

# line to change, what to, what must be said (FILE: is put in front), on which line
BAD_FILES = [
    ('workers = 1', 'workers = 4000', '2: [switch] workers:'),
    ('memory = 128', 'memory = lots', '4: [switch] memory:'),
    ('memory = 128', 'memroy = 128', '4: [switch] memroy:'),
    ('port = wire0', 'port = wire1', '10: [container web0] port:'),
    ('port = wire0', 'port = wire0:7', '10: [container web0] port:'),
    ('port = wire0', 'port = wire0\nport = wire0', '11: [container web0] port:'),
    ('socket = {dir}/web0.sock', 'socket = /nonexistent/web0.sock', '9: [container web0] socket:'),
    ('socket = {dir}/web0.sock', 'socket = /tmp/' + 'x' * 120, '9: [container web0] socket:'),
    ('[port wire0]', '[prot wire0]', '6: [prot wire0]'),
]


def fill(text, d, device='net_null0,no-rx=1'):
    return text.format(dir=d, instance=f'vftd{os.getpid()}', device=device)


def write(d, text, **keys):
    path = f'{d}/test.ini'
    with open(path, 'w') as f:
        f.write(fill(text, d, **keys))
    return path


def bad_files(t, d):
    for old, new, want in BAD_FILES:
        path = write(d, GOOD.replace(old, new))
        for how in (('--check', path), ('-c', path)):
            code, out, err = run(rig.VFRINGD, *how)
            t.ok(code == 2 and f'{path}:{want}' in err and 'EAL' not in err,
                 f'{how[0]}: "{new[:40]}" is refused with its line and key', f'exit {code}\n{out}{err}')
    everything = GOOD.replace('workers = 1', 'workers = 4000').replace('memory = 128', 'memory = lots') \
        .replace('port = wire0', 'port = wire1').replace('[port wire0]', '[port wire0]\nspeed = 10')
    code, out, err = run(rig.VFRINGD, '--check', write(d, everything))
    t.ok(code == 2 and len(re.findall(r'^\S+test\.ini:\d+: ', err, re.M)) >= 4, 'all errors are reported in one go', err)


def check_is_static(t, d):
    path = write(d, GOOD, device='net_af_packet0,iface=does-not-exist')
    os.chmod(d, 0o777)
    os.chmod(path, 0o644)
    code, out, err = run(rig.VFRINGD, '--check', path, user='nobody')
    t.ok(code == 0 and out.endswith(': ok\n') and err == '', '--check needs neither root nor the device', out + err)
    code, out, err = run(rig.VFRINGD, '--help-config')
    t.ok(code == 0 and all(k in out for k in ('workers', 'socket_perms', 'rx_desc', 'mapping')), '--help-config', out)
    code, out, err = run(rig.VFRINGD, '--check', '/nonexistent.ini')
    t.ok(code == 2 and '/nonexistent.ini' in err, 'a file that is not there', err)
    for argv in (('--nonsense',), ('extra',)):
        code, out, err = run(rig.VFRINGD, *argv)
        t.ok(code == 2 and 'usage' in err, f'{argv[0]}: usage, exit 2', err)


# vfringctl's arguments, and what must be said about them
BAD_COMMANDS = [
    (('show', 'extra'), "unexpected argument 'extra'"),
    (('show', '--watch', '1', 'extra'), "unexpected argument 'extra'"),
    (('show', '--watch', 'x'), '--watch takes'),
    (('list',), 'list what?'),
    (('list', 'nope'), "unknown kind 'nope'"),
    (('list', 'queues', 'extra'), "unexpected argument 'extra'"),
    (('stats',), 'stats what?'),
    (('stats', 'nope', 'web0'), "unknown kind 'nope'"),
    (('stats', 'ports', 'wire0', 'extra'), "unexpected argument 'extra'"),
    (('lsit',), "unknown command 'lsit'"),
]


def bad_commands(t):
    for argv, want in BAD_COMMANDS:
        code, out, err = run(VFRINGCTL, '-i', 'nobody', *argv)
        t.ok(code == 2 and want in err and 'no daemon' not in err,
             f'vfringctl {" ".join(argv)}: refused, with a daemon or without', f'exit {code}\n{out}{err}')


def start_up_errors(t, d):
    two = GOOD + '[port wire1]\ndevice = net_af_packet1,iface=does-not-exist-either\n'
    code, out, err = run(rig.VFRINGD, '-c', write(d, two, device='net_af_packet0,iface=does-not-exist'))
    t.ok(code == 1 and 'wire0: cannot open device' in err and 'wire1: cannot open device' in err,
         'every device that fails is named, exit 1', f'exit {code}\n{err}')
    t.ok(not os.path.exists(d + '/web0.sock'), 'no socket is left behind')

    code, out, err = run(rig.VFRINGD, '-c', write(d, GOOD.replace('memory = 128', 'memory = 64').replace(
        '[container', 'rx_desc = 4096\nqueues = 256\n[container'), device='net_af_packet0,iface=lo,qpairs=1'))
    t.ok(code == 1 and 'queues = 256' in err, 'more queues than the device has', f'exit {code}\n{err}')

    with open(d + '/web0.sock', 'w'):
        pass
    code, out, err = run(rig.VFRINGD, '-c', write(d, GOOD))
    t.ok(code == 2 and 'is no socket' in err and os.path.exists(d + '/web0.sock'),
         'a file that is no socket is not touched', f'exit {code}\n{err}')
    os.unlink(d + '/web0.sock')
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(d + '/web0.sock')
        s.listen(1)
        code, out, err = run(rig.VFRINGD, '-c', write(d, GOOD))
        t.ok(code == 1 and 'another process is listening' in err, 'a socket that somebody serves', f'exit {code}\n{err}')


def life(t, net):
    config = {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 128},
        'port wire0': {'device': f'net_af_packet0,iface={net.host}'},
        'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0', 'socket_perms': '0640', 'socket_group': 'daemon'},
    }
    with Daemon(config) as d:
        path = d.dir + '/web0.sock'
        st = os.stat(path)
        t.ok(stat.S_IMODE(st.st_mode) == 0o640 and st.st_gid == 1, 'the socket has its mode and group', str(st))
        t.ok('mtu = 1500' in d.output, 'effective values are logged, defaults included', d.tail())

        d.kill9()
        t.ok(os.path.exists(path), 'kill -9 leaves the socket file')
        d.start()
        t.ok(listening(path), 'the next start removes it and serves it again')

        with Testpmd(path, lcores='0@0,1@0') as pmd:
            wait_for(lambda: d.telemetry('/vfring/containers,web0')['rx_mode'] == 'mapped', 10, 'the ring to be mapped')
            d.signal(signal.SIGUSR1)
            d.wait_output(r'wire0:0 +web0 +mapped', 5)
            t.ok(True, 'SIGUSR1 logs the table')

            t.equal(d.telemetry('/vfring/ports'), ['wire0'], '/vfring/ports lists the names')
            t.equal(d.telemetry('/vfring/containers'), ['web0'], '/vfring/containers lists the names')
            p = d.telemetry('/vfring/ports,wire0')
            t.ok(p['driver'] == 'net_af_packet' and p['link_up'] == 1, '/vfring/ports,NAME tells about it', str(p))
            t.equal(d.telemetry('/vfring/ports,nope'), None, 'an unknown name')

            ctl = [VFRINGCTL, '-i', d.instance]
            code, out, err = run(*ctl, 'show')
            t.ok(code == 0 and re.search(r'^wire0:0 +web0 +mapped', out, re.M), 'vfringctl show', out + err)
            code, out, err = run(*ctl, 'stats', 'web0')
            t.ok(code == 0 and re.search(r'^rx_mode mapped$', out, re.M), 'vfringctl stats', out + err)
            code, out, err = run(*ctl, 'list', 'queues')
            t.equal((code, out), (0, 'wire0:0\n'), 'vfringctl list')
            code, out, err = run(*ctl, 'stats', 'nope')
            t.ok(code == 1 and 'nope' in err, 'vfringctl: an unknown name', out + err)
            code, out, err = run(VFRINGCTL, '-i', 'nobody', 'show')
            t.ok(code == 1 and 'no daemon' in err, 'vfringctl: no daemon', out + err)

            begin = time.monotonic()
            code = d.stop(5)
            took = time.monotonic() - begin
            t.ok(d.proc.returncode == 0 and took < 5, 'SIGTERM: exit 0 soon, with a container connected',
                 f'{d.proc.returncode} after {took:.2f} s\n{d.tail()}')
            t.ok(not os.path.exists(path), 'and the socket is gone')
            t.ok(pmd.alive, 'and the container lives')
        d.start()
        d.signal(signal.SIGINT)
        d.wait(5)
        t.ok(d.proc.returncode == 0, 'SIGINT: exit 0')


def without_iommu(t, net):
    """Addresses of devices are physical ones: the switch's own buffers are in huge pages, and none lies in two."""
    config = {
        'switch': {'workers': 1, 'hugepages': 'on', 'memory': 128, 'eal_args': '--iova-mode=pa'},
        'port wire0': {'device': f'net_af_packet0,iface={net.host}'},
        'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0', 'mapping': 'off'},
    }
    with Hugepages(100), Daemon(config) as d, Testpmd(d.dir + '/web0.sock', lcores='0@0,1@0'):
        wait_for(lambda: d.telemetry('/vfring/containers,web0')['ring_pairs_working'] == 1, 10, 'the ring to work')
        r = wire.echo_compare(net.peer, range(60, 1515, 100), netns=net.name)
        t.ok(r['ok'] and 'IOVA as PA' in d.output, 'IOVA as PA: packets are copied, and the log says that they never will be mapped',
             f'{r}\n{d.tail()}')


with Tap() as t, tempfile.TemporaryDirectory(prefix='vfring-test-') as d, Netns('vft-daemon', host='vft-d0') as net:
    t.run(bad_files, t, d)
    t.run(check_is_static, t, d)
    t.run(bad_commands, t)
    t.run(start_up_errors, t, d)
    t.run(life, t, net)
    t.run(without_iommu, t, net)
sys.exit(t.status)
