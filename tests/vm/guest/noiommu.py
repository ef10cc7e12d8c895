#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""noiommu.py hand [CASE]: a machine without an IOMMU."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))
from guest import PCI, PF, Pf, Wire, link, main, write
from bench import SWITCH, container, testpmd
from provisioned import check_refused, port
import wire
from rig import Daemon, Hugepages, wait_for

PF_MAC = bytes.fromhex('027666010000')


def vf(t):
    """It cannot go to vfio-pci."""
    pf = Pf()
    pf.enable(0, autoprobe=1)
    check_refused(t, 'no IOMMU, no VFs yet', [port(pf, 0)], 'IOMMU.*intel_iommu=on')
    pf.enable(2)
    check_refused(t, 'no IOMMU', [port(pf, 0)], 'IOMMU.*intel_iommu=on')
    pf.enable(0, autoprobe=1)


def copied(t, net):
    """The PF itself, on uio_pci_generic: DMA to physical addresses, so container memory is not mapped."""
    write('/sys/bus/pci/drivers/igb/unbind', PF)
    write(f'{PCI}/{PF}/driver_override', 'uio_pci_generic')
    write('/sys/bus/pci/drivers_probe', PF)
    assert link(f'{PCI}/{PF}/driver') == 'uio_pci_generic'
    config = {'switch': {**SWITCH, 'hugepages': 'on', 'eal_args': '--iova-mode=pa'}, 'port wire0': {'device': PF},
              'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0'}}
    with Hugepages(80), Daemon(config, limit=60) as d, testpmd(d, 0):
        wait_for(lambda: container(d, 0)['ring_pairs_working'], 30, 'the container to work')
        wait_for(lambda: d.telemetry('/vfring/ports,wire0')['link_up'], 30, lambda: f'the link: {d.tail()}')
        r = wire.echo_compare(net.peer, range(60, 1515, 31), netns=net.name, timeout=30, dst=PF_MAC)
        c = container(d, 0)
        t.ok(r['ok'] and c['rx_copied'] == c['rx_packets'] > 0 and c['tx_copied'] == c['tx_packets'] > 0,
             'without an IOMMU frames are copied, and whole', f'{r}\n{c}\n{d.tail()}')
        t.diag(f'{c["why_copied"]}; {c["why_tx_copied"]}')
        t.ok(c['why_copied'] and c['why_tx_copied'], 'and the reason is shown', str(c))


def cases(how):
    with Wire() as net:
        yield 'VF', vf
        yield 'copied', copied, net


sys.exit(main(cases))
