# SPDX-License-Identifier: BSD-3-Clause
"""Many containers of vfringd that do nothing: connected, their rings at work, no packet either way."""
import collections
import contextlib

from contestants import PROMOTION
from rig import Testpmd, Timeout, wait_for

PER_PORT = 64  # queues of a simulated VF
PER_PROCESS = 8  # of them in one testpmd
MEMORY = 128  # MiB that each shows the switch
CONNECTED = 60  # seconds


def sections(lab, nb, setup, mapping):
    """Configuration: `nb` containers i0, i1, ... on queues of one port (of several, if one has not got so many)."""
    config = {}
    for first in range(0, nb, PER_PORT):
        queues = min(PER_PORT, nb - first)
        port = f'crowd{first // PER_PORT}'
        config[f'port {port}'] = {'device': f'net_simvf{1 + first // PER_PORT},wire=sink,queues={queues}',
                                  'queues': queues, 'rx_desc': setup.desc, 'tx_desc': setup.desc}
        for n in range(queues):
            config[f'container i{first + n}'] = {'socket': f'{lab.dir}/i{first + n}.sock', 'port': f'{port}:{n}',
                                                 'mapping': mapping}
    return config


@contextlib.contextmanager
def connected(lab, nb, setup, telemetry, wanted):
    """Connect the containers; the body runs once all their rings are at work, and gets {(Rx, Tx, why): containers} of
    those that are not in the `wanted` mode. They never poll."""
    with contextlib.ExitStack() as stack:
        for first in range(0, nb, PER_PROCESS):
            some = range(first, min(first + PER_PROCESS, nb))
            stack.enter_context(Testpmd(
                vdevs=[f'net_virtio_user{n - first},path={lab.dir}/i{n}.sock,queue_size={setup.ring},{setup.vdev}'
                       for n in some],
                forward=None, memory=MEMORY, lcores=lab.lcores(lab.container_cpu), limit=CONNECTED,
                args=(f'--total-num-mbufs={max(2048, setup.ring * len(some) * 5 // 4)}', '--disable-link-check')))

        def containers():
            return [telemetry(f'/vfring/containers,i{n}') for n in range(nb)]

        def unwanted():
            return collections.Counter((c['rx_mode'], c['tx_mode'], c['why_copied'] or c['why_tx_copied'])
                                       for c in containers() if (c['rx_mode'], c['tx_mode']) != wanted)
        wait_for(lambda: all(c['ring_pairs_working'] == 1 for c in containers()), CONNECTED, f'{nb} containers')
        with contextlib.suppress(Timeout):
            wait_for(lambda: not unwanted(), PROMOTION, 'the mode')
        yield unwanted()


def describe(unwanted):
    """'' or such as '5 mapped / copied (why)'"""
    return ', '.join(f'{n} {rx} / {tx} ({why})' for (rx, tx, why), n in unwanted.items())
