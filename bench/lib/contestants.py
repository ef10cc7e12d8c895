# SPDX-License-Identifier: BSD-3-Clause
"""The switches that are compared: one polling thread each, between net_simvf0 and the container's vhost-user socket.

    with start('ovs-dpdk', lab, Setup()) as c:
        c.nic           the simulated VF inside it
        c.container     testpmd
        c.spent()       cycles of the switch core so far
        c.modes()       (Rx, Tx): mapped or copied

A contestant that cannot run, or does not do what its name says, raises Failed.
"""
import contextlib
import dataclasses
import os
import re
import shutil

from lab import SWITCH_MEMORY, Failed, Nic
from rig import Daemon, Process, Testpmd, Timeout, run, wait_for

PROMOTION = 3  # seconds from copied to mapped
OVS = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
OVS_SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'


@dataclasses.dataclass(frozen=True)
class Spent:
    """Cycles of the switch core, and what belongs to them. Differences of two readings count, nothing else.

    busy     in polls (testpmd) or turns (vfring, OVS) that found packets
    total    busy and idle ones; None: not counted
    packets  that had left at the NIC at the same moment; None: not known
    """
    busy: int
    total: int = None
    packets: int = None


class Contestant:
    """Base: life cycle, container, readiness. Subclasses start the switch and read its cycles."""

    name = ''
    expected = ('copied', 'copied')

    def __init__(self, lab, setup):
        self.lab, self.setup = lab, setup
        self.socket = f'{lab.dir}/c0.sock'
        self.container = self.nic = self.forwarding = None
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            try:
                instance, self.switch_pid = self.start_switch(stack)
                self.nic = stack.enter_context(contextlib.closing(Nic(instance, self.switch_pid)))
                self.container = stack.enter_context(self.lab.container(self.socket, self.setup))
                for pid in (self.switch_pid, self.container.pid):
                    self.lab.prefer(pid)
                self.forward('io')
                self.container_ready()
                start = self.nic.counters()['opackets']
                wait_for(lambda: self.nic.counters()['opackets'] > start + 50, 10, 'packets to go round')
                self.lab.clock(self.container)
            except (RuntimeError, AssertionError, ConnectionError, OSError) as e:
                raise Failed(f'{e}') from e
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def start_switch(self, stack):
        """Start it; (file prefix, process id) of the EAL that has the simulated VF."""
        raise NotImplementedError

    def container_ready(self):
        """Wait until the switch has the container's ring."""

    def spent(self):
        raise NotImplementedError

    def modes(self):
        return self.expected

    def check_modes(self):
        """Failed if it does something else than its name says."""
        modes = self.modes()
        if modes[:2] != self.expected:
            why = f' ({modes[2]})' if len(modes) > 2 and modes[2] else ''
            raise Failed(f'Rx {modes[0]}, Tx {modes[1]}, where Rx {self.expected[0]}, Tx {self.expected[1]} '
                         f'belongs to the name{why}')

    def forward(self, mode):
        """Have the container forward in this mode (io, macswap)."""
        if mode != self.forwarding:
            if self.forwarding:
                self.container.command('stop')
            self.container.command(f'set fwd {mode}')
            self.container.command('start')
            self.forwarding = mode


class Vfring(Contestant):
    mapping = 'off'

    def config(self):
        return {
            'switch': {'workers': self.lab.switch_cpu, 'hugepages': 'on' if self.lab.huge else 'off',
                       'memory': SWITCH_MEMORY, 'eal_args': f'-d {self.lab.plugin}'},
            'port nic0': {'device': self.setup.device(), 'rx_desc': self.setup.desc, 'tx_desc': self.setup.desc},
            'container c0': {'socket': self.socket, 'port': 'nic0', 'mapping': self.mapping},
        }

    def start_switch(self, stack):
        self.daemon = stack.enter_context(Daemon(self.config(), dir=self.lab.dir))
        return self.daemon.instance, self.daemon.pid

    def container_ready(self):
        wait_for(lambda: self.query('/vfring/containers,c0')['ring_pairs_working'] == 1, 10, 'the ring to work')
        # It may start copied, until the container has offered enough buffers. What is wrong, check_modes() says.
        with contextlib.suppress(Timeout):
            wait_for(lambda: self.modes()[:2] == self.expected, PROMOTION, 'the mode')

    def query(self, command):
        return self.nic.telemetry.query(command)

    def modes(self):
        c = self.query('/vfring/containers,c0')
        why = [f'{way}: {c[key]}' for way, key in (('Rx', 'why_copied'), ('Tx', 'why_tx_copied')) if c.get(key)]
        return c['rx_mode'], c['tx_mode'], ', '.join(why)

    def spent(self):
        w = self.query(f'/vfring/workers,{self.lab.switch_cpu}')
        return Spent(busy=w['busy_cycles'], total=w['busy_cycles'] + w['idle_cycles'])


class VfringMapped(Vfring):
    name, mapping, expected = 'vfring-mapped', 'auto', ('mapped', 'mapped')


class VfringRx(Vfring):
    name, mapping, expected = 'vfring-rx', 'rx', ('mapped', 'copied')


class VfringCopied(Vfring):
    name = 'vfring-copied'


class TestpmdVhost(Contestant):
    name = 'testpmd-vhost'

    def start_switch(self, stack):
        desc = self.setup.desc
        self.switch = stack.enter_context(Testpmd(
            vdevs=[self.setup.device(), f'net_vhost0,iface={self.socket}'], forward='io', huge=self.lab.huge,
            memory=SWITCH_MEMORY, lcores=self.lab.lcores(self.lab.switch_cpu),
            eal=('--iova-mode=va', '-d', self.lab.plugin),
            args=('--no-flush-rx', '--disable-link-check', '--record-core-cycles', f'--rxd={desc}', f'--txd={desc}')))
        return self.switch.instance, self.switch.pid

    def spent(self):
        text = self.switch.command('show fwd stats all')
        packets = re.search(rf'statistics for port {self.nic.port} .*?TX-packets: (\d+)', text, re.DOTALL)
        cycles = re.search(r'total cycles=(\d+)', text)
        if not packets or not cycles:
            raise Failed(f'testpmd has no cycles to show: {text}')
        return Spent(busy=int(cycles[1]), packets=int(packets[1]))


class OvsDpdk(Contestant):
    name = 'ovs-dpdk'

    def start_switch(self, stack):
        if not os.path.exists(OVS):
            raise Failed('openvswitch-switch-dpdk is not installed')
        lab, self.instance = self.lab, f'vfb-ovs{os.getpid()}'
        self.dir, self.bridge = f'{lab.dir}/ovs', f'vfb{os.getpid()}'
        self.socket, self.control = f'{self.dir}/con', f'{self.dir}/vswitchd.ctl'
        os.mkdir(self.dir)
        stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        stack.callback(shutil.rmtree, f'/run/dpdk/{self.instance}', ignore_errors=True)
        env = {f'OVS_{kind}DIR': self.dir for kind in ('RUN', 'DB', 'LOG', 'SYSCONF', 'SYS')}
        self.db = f'unix:{self.dir}/db.sock'
        run('ovsdb-tool', 'create', f'{self.dir}/conf.db', OVS_SCHEMA)
        stack.enter_context(Process(['ovsdb-server', f'{self.dir}/conf.db', f'--remote=p{self.db}',
                                     f'--unixctl={self.dir}/ovsdb.ctl'], env=env))
        wait_for(lambda: os.path.exists(f'{self.dir}/db.sock'), 10, 'ovsdb-server')
        self.vsctl('--no-wait', 'init', '--', 'set', 'Open_vSwitch', '.', 'other_config:dpdk-init=true',
                   f'other_config:dpdk-lcore-mask={1 << lab.other_cpu:#x}',
                   f'other_config:pmd-cpu-mask={1 << lab.switch_cpu:#x}',
                   'other_config:per-port-memory=true',  # the shared pool takes all of small memories
                   f'other_config:dpdk-extra="{self.eal_args()}"')
        taps = [n for n in (self.bridge, 'ovs-netdev') if not os.path.exists(f'/sys/class/net/{n}')]
        stack.callback(self.remove, taps)
        self.daemon = stack.enter_context(Process([OVS, self.db, f'--unixctl={self.control}'], env=env))
        stack.callback(self.end)
        wait_for(lambda: os.path.exists(self.control), 20, 'ovs-vswitchd')
        self.add_ports()
        return self.instance, self.daemon.pid

    def end(self):
        """Only when asked so does it take its interfaces with it."""
        run('ovs-appctl', '--timeout=5', '--target', self.control, 'exit', '--cleanup', check=False)
        with contextlib.suppress(Timeout):
            self.daemon.wait(5)

    @staticmethod
    def remove(interfaces):
        for name in interfaces:
            if os.path.exists(f'/sys/class/net/{name}'):
                run('ip', 'link', 'del', name, check=False)

    def eal_args(self):
        lab = self.lab
        # OVS adds --in-memory by itself, unless it is told --legacy-mem.
        memory = f'--socket-mem {SWITCH_MEMORY}' if lab.huge else f'--no-huge --legacy-mem -m {SWITCH_MEMORY}'
        return f'{memory} --no-pci --iova-mode=va --file-prefix={self.instance} -d {lab.plugin}'

    def vsctl(self, *args):
        text = run('ovs-vsctl', '--timeout=20', f'--db={self.db}', *args)
        if 'rror detected' in text:
            raise Failed(f'{text.strip()}\n{self.daemon.tail()}')
        return text

    def add_ports(self):
        desc, bridge = self.setup.desc, self.bridge
        # secure: no flow but ours. What a learning switch had put into the caches first would stay there.
        self.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev', 'fail_mode=secure',
                   '--', 'add-port', bridge, 'nic', '--', 'set', 'Interface', 'nic', 'type=dpdk', 'ofport_request=1',
                   f'options:dpdk-devargs="{self.setup.device()}"',
                   f'options:n_rxq_desc={desc}', f'options:n_txq_desc={desc}',
                   '--', 'add-port', bridge, 'con', '--', 'set', 'Interface', 'con', 'type=dpdkvhostuser',
                   'ofport_request=2')
        flows = f'{self.dir}/flows'
        with open(flows, 'w') as f:
            f.write('in_port=1,actions=output:2\nin_port=2,actions=output:1\n')
        run('ovs-ofctl', 'replace-flows', f'{self.dir}/{bridge}.mgmt', flows)

    def spent(self):
        text = run('ovs-appctl', '--target', self.control, 'dpif-netdev/pmd-stats-show')
        for part in re.split(r'^(?=\S.*thread)', text, flags=re.MULTILINE):
            if f'core_id {self.lab.switch_cpu}:' in part.partition('\n')[0]:
                busy, idle = (int(re.search(rf'{kind} cycles: (\d+)', part)[1]) for kind in ('processing', 'idle'))
                return Spent(busy=busy, total=busy + idle)
        raise Failed(f'no thread on CPU {self.lab.switch_cpu}:\n{text}')


KINDS = {c.name: c for c in (VfringMapped, VfringRx, VfringCopied, TestpmdVhost, OvsDpdk)}
NAMES = tuple(KINDS)


def start(name, lab, setup):
    return KINDS[name](lab, setup)
