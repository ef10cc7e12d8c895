#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The host's part of the VM tests: a machine with an emulated 82576 (SR-IOV) behind VT-d, and this host's files.

    machine.py [--no-iommu] [--hugepage] [COMMAND]    boots it and runs COMMAND in it, or the lines of standard input

The 82576 (kernel driver igb) is 0000:01:00.0, with up to seven VFs at 0000:01:10.0, 10.2, ... Its cable leads to a
second card of the same guest (virtio-net, 0000:00:05.0).
"""
import argparse
import os
import shlex
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, 'tests/integration/lib'))
from tap import Tap  # noqa: E402
from vm import HOST_INIT, HOST_MODULES, HOST_ROOT, Initramfs, Kernel, Vm, recent_qemu  # noqa: E402

MODULES = ['virtio_net', 'igb', 'igbvf', 'vfio_iommu_type1', 'vfio_pci', 'uio_pci_generic', 'veth', *HOST_MODULES]
PF_MAC, WIRE_MAC = '02:76:66:01:00:00', '02:76:66:01:00:01'

# Those of ours that matter to tests.
ENV = ' '.join(f'{name}={shlex.quote(os.environ[name])}' for name in ('VFRING_BUILD', 'VFRINGD', 'SIMVF')
               if name in os.environ)

# QEMU 10.0 decodes only 32 bits of the VFs' addresses, which are above 4 GiB if there is more memory.
MEMORY = 2560


class Machine(Vm):
    """iommu=False: without one. hugepages: {'2M': n, '1G': n}, set aside at boot.

    All CPUs are one thread: with several, QEMU 10.0.2 may crash when VFs vanish (iotlb_to_section: Assertion
    `section_index < d->map.sections_nb' failed)."""

    def __init__(self, iommu=True, hugepages=None, kernel=''):
        args = [*HOST_ROOT, '-cpu', 'max',
                '-device', 'pcie-root-port,id=root1,slot=1,chassis=1,addr=4',
                '-netdev', 'hubport,id=nic,hubid=0', '-netdev', 'hubport,id=wire,hubid=0',
                '-device', f'igb,id=igb,bus=root1,netdev=nic,mac={PF_MAC},romfile=',
                '-device', f'virtio-net-pci,addr=5,netdev=wire,mac={WIRE_MAC},romfile=,mrg_rxbuf=off']
        if iommu:
            # First of all: what comes before it is not behind it.
            args[:0] = ['-device', 'intel-iommu,intremap=on,caching-mode=on,aw-bits=48']
            kernel += ' intel_iommu=on iommu=pt'
        for size, count in (hugepages or {}).items():
            kernel += f' hugepagesz={size} hugepages={count}'
        super().__init__(Initramfs(Kernel('amd64'), MODULES, init=HOST_INIT), memory=(MEMORY,), cpus=3,
                         machine='q35,kernel-irqchip=split', args=args, kernel=kernel, qemu=recent_qemu(),
                         thread='single')

    def program(self, name, *argv, limit=300, each=print):
        """Run a program of guest/ in it; its exit status."""
        return self.run(f'{ENV} python3 {TOP}/tests/vm/guest/{name} ' + ' '.join(map(str, argv)), limit=limit,
                        check=False, each=each).returncode


def relay(t, machine, name, *argv, limit=300):
    """A program of guest/ and its results."""
    before, plans = t.count, []
    status = machine.program(name, *argv, limit=limit, each=lambda line: plans.append(t.relay(line)))
    (plan,) = list(filter(None, plans)) or [None]
    if plan != t.count - before or status not in (0, 1):
        t.ok(False, f'{name} ran to its end',
             f'exit status {status}, plan {plan}, {t.count - before} results\n{machine.tail()}')
    faults = [line for line in machine.output.splitlines() if 'DMAR' in line and 'fault' in line]
    t.ok(not faults, f'{name}: no DMA where none was allowed', '\n'.join(faults[:20]))


def show(line):
    print(line, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--no-iommu', action='store_true')
    p.add_argument('--hugepage', action='store_true', help='with one of 1 GiB')
    p.add_argument('command', nargs=argparse.REMAINDER)
    a = p.parse_args()
    with Machine(iommu=not a.no_iommu, hugepages={'1G': 1} if a.hugepage else None) as machine:
        if a.command:
            command = ' '.join(map(shlex.quote, a.command)) if len(a.command) > 1 else a.command[0]
            return machine.run(f'cd {shlex.quote(os.getcwd())} && {ENV} {command}', limit=3600, check=False,
                               each=show).returncode
        while True:
            print('# ', end='', flush=True)
            line = sys.stdin.readline()
            if not line:
                return 0
            if line.strip():
                machine.run(line.strip(), limit=3600, check=False, each=show)


if __name__ == '__main__':
    sys.exit(main())
