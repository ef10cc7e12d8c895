#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the daemon's provisioning may change, and daemons that refuse to."""
import os
import re
import tempfile

from guest import PCI, Pf, netdev, read
from bench import SWITCH
from rig import VFRINGD, Process, ini

STATE = '/run/vfring-sriov'


def vf_state(pf, index):
    """All about a VF that provisioning may change."""
    vf, info = pf.vf(index), pf.info(index)
    name = netdev(vf.address)
    if name and read(f'{PCI}/{vf.address}/net/{name}/addr_assign_type') in ('1', '3'):
        info = re.sub('ether [0-9a-f:]+ ', 'ether ANY ', info)  # its driver makes up a new one each time
    return {'driver': vf.driver, 'driver_override': vf.override, 'netdev': name, 'as the PF has it': info}


def state(pf):
    """All that provisioning may change."""
    return {'count': pf.count, 'autoprobe': read(f'{pf.path}/sriov_drivers_autoprobe'),
            'state files': sorted(set(os.listdir(STATE)) - {'lock'}) if os.path.isdir(STATE) else [],
            **{f'VF {n}': vf_state(pf, n) for n in range(pf.count)}}


def port(pf, vf, **keys):
    return {'device': f'pf:{pf.netdev},vf={vf}', **keys}


def refused(config, args=(), wrap=(), limit=40):
    """Exit status and output of a daemon that does not start."""
    with tempfile.TemporaryDirectory(prefix='vfring-test-') as folder:
        with open(f'{folder}/vfring.ini', 'w') as f:
            f.write(config if isinstance(config, str) else ini(config))
        with Process([*wrap, VFRINGD, '-c', f'{folder}/vfring.ini', *args]) as p:
            return p.wait(limit), p.output


def check_refused(t, name, ports, pattern, wrap=(), containers=None):
    """It ends with an error that fits the pattern, and names the port and the key; nothing is left changed."""
    pf = Pf()
    before = state(pf)
    config = {'switch': SWITCH, **{f'port wire{n}': p for n, p in enumerate(ports)}, **(containers or {})}
    status, output = refused(config, wrap=wrap)
    lines = [line for line in output.splitlines()
             if re.search(r'\[(port|container) \w+\] [\w, ]+: ', line) and re.search(pattern, line)]
    t.ok(status in (1, 2) and lines, f'{name}: refused, and said why',
         f'status {status}, no line with {pattern!r} in\n{output}')
    for line in lines[:1]:
        t.diag(line)
    after = state(pf)
    t.ok(after == before, f'{name}: nothing is left changed', f'{before}\n{after}')
