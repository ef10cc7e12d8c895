# SPDX-License-Identifier: BSD-3-Clause
"""What all contestants of a comparison share: the CPUs, the memory, the simulated VF, the container.

    with Lab(huge=True) as lab:
        with contestants.start('vfring-copied', lab, Setup(ring=256)) as c:
            ...

Everything of a run is in `lab.dir`, which only root can enter, below /run: EAL loads no plugin from below /tmp.
"""
import contextlib
import dataclasses
import os
import re
import shutil
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f'{ROOT}/tests/integration/lib')
from rig import Hugepages, Telemetry, Testpmd, run  # noqa: E402

PLUGIN = os.environ.get('SIMVF', f'{ROOT}/build/pmd/simvf/librte_net_simvf.so')
SWITCH_MEMORY, CONTAINER_MEMORY = 512, 256  # MiB
CALM = 1000  # packets per second: enough to see that the path works


class Failed(Exception):
    """A contestant cannot be measured; the text says why."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """The same for every contestant that is compared with another."""
    size: str = '64'       # bytes of a frame without its checksum, or imix
    ring: int = 1024       # entries of each of the container's rings
    desc: int = 128        # descriptors of each of the NIC's queues
    dma: str = 'none'      # none: as if hardware had moved the bytes; copy: the CPU does, time counted apart
    latency: bool = False  # packets carry time stamps
    vdev: str = 'mrg_rxbuf=0'  # virtio-user's in-order paths, the cheapest for the container; see README.md

    def device(self):
        """The simulated VF as DPDK device arguments."""
        return f'net_simvf0,wire=gen,rate={CALM},size={self.size},dma={self.dma},latency={int(self.latency)}'


class Lab:
    """CPUs, memory and a folder for a run. huge: 2 MiB hugepages, given back at the end; none if there are too few."""

    def __init__(self, huge=True, switch_cpu=1, container_cpu=0, other_cpu=0, nice=0):
        self.huge, self.switch_cpu, self.container_cpu, self.other_cpu = huge, switch_cpu, container_cpu, other_cpu
        self.nice = nice
        self.note = ''
        self.hz = None
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            if not os.path.exists(PLUGIN):
                raise Failed(f'no {PLUGIN}: the simulated VF has not been built (meson says why)')
            if {self.switch_cpu, self.container_cpu, self.other_cpu} - os.sched_getaffinity(0):
                raise Failed(f'CPUs {self.switch_cpu}, {self.container_cpu} and {self.other_cpu} are wanted')
            self.dir = tempfile.mkdtemp(prefix='vfring-bench-', dir='/run')
            stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
            self.plugin = shutil.copy(PLUGIN, self.dir)
            if self.huge:
                try:
                    stack.enter_context(Hugepages((SWITCH_MEMORY + CONTAINER_MEMORY) // 2 + 16))
                except (OSError, RuntimeError) as e:
                    self.huge, self.note = False, f'no hugepages ({e})'
            # What nothing pins runs beside the container, never on the switch core. Inherited by all that is started.
            stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            os.sched_setaffinity(0, {self.other_cpu})
            os.nice(self.nice)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def prefer(self, pid):
        """Give a process's scheduling group the priority, too: with autogroups, a thread's counts inside its group."""
        with contextlib.suppress(OSError), open(f'/proc/{pid}/autogroup', 'w') as f:
            f.write(str(self.nice))

    def lcores(self, cpu):
        """EAL's --lcores: one polling thread on `cpu`, the main thread beside."""
        return f'0@{self.other_cpu},1@{cpu}'

    def container(self, path, setup, more='', **kwargs):
        """testpmd on virtio-user, ready; it does not forward yet."""
        mbufs = max(8192, 4 * setup.ring)
        return Testpmd(path, vdev=f'queue_size={setup.ring},{setup.vdev}' + (f',{more}' if more else ''), forward=None,
                       huge=self.huge, memory=CONTAINER_MEMORY, lcores=self.lcores(self.container_cpu),
                       eal=('--iova-mode=va',), args=('--no-flush-rx', f'--total-num-mbufs={mbufs}'), **kwargs)

    def clock(self, testpmd):
        """The TSC's frequency in Hz, as DPDK has it; asked of a testpmd that has forwarded packets."""
        if self.hz is None:
            testpmd.command('set record-core-cycles on')
            found = re.search(r'at (\d+) MHz Clock', testpmd.command('show fwd stats all'))
            testpmd.command('set record-core-cycles off')
            if not found:
                raise Failed('testpmd does not tell the clock')
            self.hz = int(found[1]) * 1e6
        return self.hz


class Nic:
    """The simulated VF inside a contestant, by DPDK telemetry, which all of them have."""

    def __init__(self, instance, pid, name='net_simvf0'):
        self.name, self.telemetry = name, Telemetry(instance, pid)
        for port in self.telemetry.query('/ethdev/list'):
            if self.telemetry.query(f'/ethdev/info,{port}')['name'] == name:
                self.port = port
                return
        self.close()
        raise Failed(f'no port {name}')

    def close(self):
        self.telemetry.close()

    def counters(self):
        """ipackets, imissed, opackets, ...; the driver's own, such as sim_dma_cycles, among them."""
        values = self.telemetry.query(f'/ethdev/stats,{self.port}')
        values.update(self.telemetry.query(f'/ethdev/xstats,{self.port}'))
        return values

    def set(self, **values):
        """size=..., rate=..., at run time."""
        for key, value in values.items():
            if self.telemetry.query(f'/simvf/set,{self.name}:{key}={value}') is None:
                raise Failed(f'{self.name} refuses {key}={value}')

    def latency(self, reset=False):
        """{'samples', 'p50_ns', 'p99_ns', 'max_ns'} since the last reset."""
        if reset:
            self.telemetry.query(f'/simvf/reset,{self.name}')
        return self.telemetry.query(f'/simvf/latency,{self.name}')


def git_state():
    """The commit that is measured, for the report."""
    p = run('git', '-C', ROOT, 'describe', '--always', '--dirty', check=False)
    return p.stdout.strip() if p.returncode == 0 else 'unknown'
