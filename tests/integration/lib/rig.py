#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What integration tests are built of: a wire in a namespace, the daemon, containers, telemetry, hugepages.

    with Netns('vft-a', host='vft-a0') as net, Daemon({
            'switch': {'workers': 1},
            'port wire0': {'device': f'net_af_packet0,iface={net.host}'},
            'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0'}}) as d, \\
            Testpmd(d.dir + '/web0.sock', forward='macswap'):
        result = wire.echo_compare(net.peer, range(60, 1515), netns=net.name)
        ports = d.telemetry('/vfring/ports')

Everything is a context manager and cleans up however the body ends, also if its own start fails half-way.
Only processes that were started here are ended, and they do not outlive the test: the kernel kills them when the thread
that started them ends (so start them in the main thread). Every wait has a limit and says what it waited for.
"""
import contextlib
import glob
import itertools
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import wire
from tap import Skip

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
VFRINGD = os.environ.get('VFRINGD', f'{ROOT}/build/switch/vfringd')
# The simulated VF's driver; it is not built where DPDK's own headers cannot be had.
SIMVF = os.environ.get('SIMVF', f'{ROOT}/build/pmd/simvf/librte_net_simvf.so')
# Every limit of time is so many times as long: on a machine whose CPUs are emulated, more than 1.
PATIENCE = float(os.environ.get('VFRING_PATIENCE', 1))
_number = itertools.count()


class Timeout(AssertionError):
    """A wait reached its limit."""


def wait_for(cond, limit, what, step=0.02):
    """Call cond() until it returns something true, and return that. Timeout after `limit` seconds.
    what: text, or a function that makes it. Limits below ten seconds would be for machines that nobody else uses."""
    limit = max(limit, 10) * PATIENCE
    end = time.monotonic() + limit
    while True:
        value = cond()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f'{limit} s passed waiting for {what() if callable(what) else what}')
        time.sleep(step)


def run(*argv, limit=30, check=True, netns=None):
    """Run a command to its end; its output (both streams). With check=False a CompletedProcess, whatever its status."""
    argv = [str(a) for a in argv]
    if netns:
        argv = ['ip', 'netns', 'exec', netns] + argv
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       errors='replace', timeout=limit * PATIENCE)
    if not check:
        return p
    if p.returncode:
        raise RuntimeError(f'{" ".join(argv)}: exit {p.returncode}: {p.stdout.strip()}')
    return p.stdout


class Netns:
    """A veth pair: `host` stays here, `peer` is in the network namespace `name`. Offloads and IPv6 are off on both.

    Leftovers of the same names are removed first, unless a process still lives in the namespace.
    """

    def __init__(self, name, host, peer='wire', address=None, mtu=1500):
        self.name, self.host, self.peer, self.address, self.mtu = name, host, peer, address, mtu
        self.mac = None

    def __enter__(self):
        if os.path.exists(f'/run/netns/{self.name}') and run('ip', 'netns', 'pids', self.name).split():
            raise RuntimeError(f'namespace {self.name} is in use')
        self._remove()
        try:
            run('ip', 'netns', 'add', self.name)
            run('ip', 'link', 'add', self.host, 'type', 'veth', 'peer', 'name', self.peer, 'netns', self.name)
            for netns, iface in ((None, self.host), (self.name, self.peer)):
                for conf in (iface, 'all') if netns else (iface,):
                    with wire.in_netns(netns), contextlib.suppress(FileNotFoundError), \
                            open(f'/proc/sys/net/ipv6/conf/{conf}/disable_ipv6', 'w') as f:
                        f.write('1')
                run('ethtool', '-K', iface, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off', netns=netns)
                run('ip', 'link', 'set', iface, 'mtu', self.mtu, 'up', netns=netns)
            run('ip', 'link', 'set', 'lo', 'up', netns=self.name)
            if self.address:
                run('ip', 'address', 'add', self.address, 'dev', self.peer, netns=self.name)
            with wire.Wire(self.peer, self.name) as w:
                self.mac = w.mac.hex(':')
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *exc):
        self._remove()

    def _remove(self):
        if os.path.exists(f'/sys/class/net/{self.host}'):
            run('ip', 'link', 'del', self.host, check=False)
        if os.path.exists(f'/run/netns/{self.name}'):
            run('ip', 'netns', 'del', self.name, check=False)

    def run(self, *argv, **kwargs):
        """A command inside the namespace."""
        return run(*argv, netns=self.name, **kwargs)


class Process:
    """A program in a process group of its own; its output is collected in `output` as it comes.

    tty: it gets a pseudo-terminal (programs write line by line then, and DPDK's prompts work), else a pipe as stdin.
    """

    def __init__(self, argv, tty=False, env=None):
        self.argv, self.tty = [str(a) for a in argv], tty
        self.env = {**os.environ, **(env or {})}
        self.proc = None
        self.output = ''

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    def start(self):
        assert not self.alive, f'{self.argv[0]} runs already'
        self._close_fds()
        self.output = ''
        argv = ['setpriv', '--pdeathsig', 'KILL', '--'] + self.argv
        if self.tty:
            self._in, slave = pty.openpty()
            self._out = self._in
            try:
                self.proc = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=self.env,
                                             start_new_session=True)
            finally:
                os.close(slave)
        else:
            child_in, self._in = os.pipe()
            self._out, child_out = os.pipe()
            try:
                self.proc = subprocess.Popen(argv, stdin=child_in, stdout=child_out, stderr=child_out, env=self.env,
                                             start_new_session=True)
            finally:
                os.close(child_in)
                os.close(child_out)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    _in = _out = -1
    _reader = None

    def _read(self):
        with contextlib.suppress(OSError):  # EIO: the last one on the terminal is gone
            while data := os.read(self._out, 65536):
                self.output += data.decode(errors='replace').replace('\r', '')

    def _close_fds(self):
        if self._reader:
            self._reader.join(2)
            self._reader = None
        for fd in {self._in, self._out} - {-1}:
            os.close(fd)
        self._in = self._out = -1

    @property
    def pid(self):
        return self.proc.pid

    @property
    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def tail(self, lines=30):
        """The end of the output, for diagnosis."""
        return '\n'.join(self.output.splitlines()[-lines:])

    def write(self, text):
        """To its stdin."""
        os.write(self._in, text.encode())

    def end_input(self):
        """Close its stdin (without tty)."""
        assert not self.tty
        os.close(self._in)
        self._in = -1

    def wait_output(self, pattern, limit=10, start=0):
        """Wait until `pattern` (regular expression, multi-line) is in the output from offset `start` on; the match.
        Fails at once if the program ends without."""
        regex = re.compile(pattern, re.MULTILINE)

        def look():
            ended = not self.alive
            if ended and self._reader:
                self._reader.join(2)
            found = regex.search(self.output, start)
            if not found and ended:
                raise RuntimeError(f'{self.argv[0]} ended ({self.proc and self.proc.returncode}) without '
                                   f'{pattern!r}:\n{self.tail()}')
            return found
        return wait_for(look, limit, lambda: f'{pattern!r} from {self.argv[0]}; it said:\n{self.tail()}')

    def signal(self, sig):
        """To the whole group."""
        if self.alive:
            os.killpg(self.proc.pid, sig)

    def wait(self, limit=10):
        """Its exit status (negative: the signal that ended it)."""
        limit *= PATIENCE
        try:
            status = self.proc.wait(limit)
        except subprocess.TimeoutExpired:
            raise Timeout(f'{limit} s passed waiting for {self.argv[0]} to end:\n{self.tail()}') from None
        if self._reader:
            self._reader.join(2)
        return status

    def stop(self, limit=10):
        """SIGTERM, and its exit status. Timeout if it does not end."""
        if self.alive:
            os.kill(self.proc.pid, signal.SIGTERM)
        return self.wait(limit)

    def kill9(self):
        """SIGKILL the group, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def close(self):
        if self.alive:
            with contextlib.suppress(Timeout):
                self.stop(5)
            self.signal(signal.SIGKILL)
            self.proc.wait(10 * PATIENCE)
        self._close_fds()


class Telemetry:
    """DPDK telemetry (version 2) of the process `pid` with the file prefix `instance`; any process if pid is None."""

    def __init__(self, instance, pid=None, timeout=10 * PATIENCE):
        self.sock = None
        seen = []
        # A second process of the same prefix gets its socket at ...v2:1, and so on; a killed one leaves its own.
        for path in sorted(glob.glob(f'/var/run/dpdk/{glob.escape(instance)}/dpdk_telemetry.v2*')):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.settimeout(timeout)
            try:
                s.connect(path)
                self.info = json.loads(s.recv(4096))
            except (OSError, ValueError) as e:
                seen.append(f'{path}: {e}')
                s.close()
                continue
            if pid in (None, self.info['pid']):
                self.sock = s
                return
            seen.append(f'{path}: process {self.info["pid"]}')
            s.close()
        raise ConnectionError(f'no telemetry of {instance}, process {pid}: {", ".join(seen) or "no socket"}')

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def query(self, command):
        """'/ethdev/stats,0' -> the parsed answer; None if there is no such command or it failed."""
        self.sock.send(command.encode())
        answer = json.loads(self.sock.recv(1 << 20))
        return answer[command.split(',')[0]]


def listening(path):
    """True if a process listens on the unix socket `path` (without connecting to it)."""
    with open('/proc/net/unix') as f:
        return any(line.split()[3] == '00010000' and line.rstrip('\n').endswith(' ' + path) for line in f)


def ini(sections):
    """{'port wire0': {'mtu': 1500}} -> INI text."""
    return '\n'.join(f'[{name}]\n' + ''.join(f'{k} = {v}\n' for k, v in keys.items())
                     for name, keys in sections.items())


def one_container(net, **keys):
    """The configuration of most tests: the wire's host end behind one worker, and container web0 on it with these keys."""
    return {
        'switch': {'workers': 1, 'hugepages': 'off', 'memory': 128},
        'port wire0': {'device': f'net_af_packet0,iface={net.host}'},
        'container web0': {'socket': '{dir}/web0.sock', 'port': 'wire0', **keys},
    }


def load_simvf():
    """The [switch] keys with which vfringd has net_simvf; Skip without it. By name: EAL refuses a path below a directory
    that anybody may write to."""
    if not os.path.exists(SIMVF):
        raise Skip('net_simvf was not built')
    return {'eal_args': f'-d {os.path.basename(SIMVF)}'}


class Daemon(Process):
    """vfringd on a generated configuration.

    config    {section: {key: value}} or the text itself; `{dir}` in it is replaced by the temporary directory `dir`
    args      further arguments
    ready     regular expression in its log that means ready; by default it is ready when every server-mode socket
              listens and its telemetry answers
    wrap      program to run it under (['valgrind', ...])
    log: `output`. stop() and start(): a restart. A DPDK instance name is put into [switch] unless there is one.
    """

    def __init__(self, config, args=(), ready=None, limit=20, dir=None, env=None, wrap=(), binary=VFRINGD):
        self.own_dir = dir is None
        self.dir = dir or tempfile.mkdtemp(prefix='vfring-test-')
        self.config, self.ready, self.limit = config, ready, limit
        self.file = f'{self.dir}/vfring.ini'
        self.instance = f'vft{os.getpid()}-{next(_number)}'
        env = {'LD_LIBRARY_PATH': os.path.dirname(SIMVF), **(env or {})}
        super().__init__([*wrap, binary, '-c', self.file, *args], env=env)

    def start(self):
        """Write the configuration, start, wait until it is ready."""
        config = self.config
        if isinstance(config, dict):
            switch = {'instance': self.instance, **config.get('switch', {})}
            self.instance = switch['instance']
            config = ini({**config, 'switch': switch})
        elif found := re.search(r'^\s*instance\s*=\s*([^\s;]+)', config, re.MULTILINE):
            self.instance = found[1]
        config = config.replace('{dir}', self.dir)
        with open(self.file, 'w') as f:
            f.write(config)
        super().start()
        if self.ready:
            self.wait_output(self.ready, self.limit)
        else:
            sockets = [found[1] for part in re.split(r'^\[', config, flags=re.MULTILINE)
                       if part.startswith('container') and not re.search(r'socket_mode\s*=\s*client', part)
                       and (found := re.search(r'^\s*socket\s*=\s*(\S+)', part, re.MULTILINE))]
            wait_for(lambda: self._is_ready(sockets), self.limit,
                     lambda: f'vfringd to be ready; it said:\n{self.tail()}')

    def _is_ready(self, sockets):
        if not self.alive:
            self._reader.join(2)
            raise RuntimeError(f'vfringd ended ({self.proc.returncode}):\n{self.tail()}')
        if not all(listening(s) for s in sockets):
            return False
        # EAL's telemetry answers before the switch's commands are known.
        with contextlib.suppress(ConnectionError), Telemetry(self.instance, self.pid) as t:
            return t.query('/vfring/ports') is not None
        return False

    def telemetry(self, command):
        """None if there is no such command or name. The switch gives no answer either while its control thread waits
        for a worker, which takes a second to find out: then it is asked again."""
        end = time.monotonic() + 10 * PATIENCE
        while True:
            begin = time.monotonic()
            with Telemetry(self.instance, self.pid) as t:
                answer = t.query(command)
            now = time.monotonic()
            if answer is not None or now - begin < 0.9 or now > end:
                return answer

    def close(self):
        try:
            super().close()
        finally:
            shutil.rmtree(f'/run/dpdk/{self.instance}', ignore_errors=True)
            if self.own_dir:
                shutil.rmtree(self.dir, ignore_errors=True)


class Testpmd(Process):
    """A container: dpdk-testpmd on virtio-user behind the vhost-user socket `path`, ready and forwarding.

    vdev      further device arguments ('queues=2,packed_vq=1,server=1,mrg_rxbuf=0'); vdevs: whole devices instead
    forward   forwarding mode; None: does not start to forward
    huge      use hugepages, growing as needed unless `memory` is given; by default none, and `memory` MiB (256) fixed
    eal, args further arguments of EAL and of testpmd
    wrap      program to run it under (['bwrap', ...])
    """

    __test__ = False

    def __init__(self, path=None, vdev='', vdevs=None, forward='macswap', huge=False, memory=None, lcores='0@0,1@1',
                 eal=(), args=(), wrap=(), limit=20, env=None):
        self.instance = f'vft{os.getpid()}-{next(_number)}'
        self.forward, self.limit = forward, limit
        if vdevs is None:
            vdevs = [f'net_virtio_user0,path={path}' + (f',{vdev}' if vdev else '')]
        # --no-huge implies --legacy-mem, which 22.11 refuses together with --in-memory. virtio-user has 8 regions;
        # without --single-file-segments each hugepage is one.
        mem = ['--in-memory', '--single-file-segments'] if huge else ['--no-huge', '--no-shconf']
        if memory or not huge:
            mem += ['-m', memory or 256]
        super().__init__([*wrap, 'dpdk-testpmd', *mem, '--no-pci', '--file-prefix', self.instance, '--lcores', lcores,
                          *(f'--vdev={v}' for v in vdevs), *eal, '--', '-i', '--total-num-mbufs=8192', *args],
                         tty=True, env=env)

    def start(self):
        super().start()
        self.wait_output(r'^testpmd> ', self.limit)
        if self.forward:
            self.command(f'set fwd {self.forward}')
            self.command('start')

    def command(self, text, limit=None):
        """Type a line, wait for the next prompt; what it printed."""
        start = len(self.output)
        self.write(text + '\n')
        # An event may be reported behind the prompt.
        self.wait_output(r'\ntestpmd> ', limit or self.limit, start)
        return self.output[start:].partition('\n')[2].rpartition('\ntestpmd> ')[0]

    def stats(self, port=0):
        """{'RX-packets': n, 'TX-packets': n, ...}"""
        return {k: int(v) for k, v in re.findall(r'([RT]X-\w+):\s+(\d+)', self.command(f'show port stats {port}'))}

    def xstats(self, port=0):
        return {k: int(v) for k, v in re.findall(r'^(\w+): (\d+)', self.command(f'show port xstats {port}'), re.M)}

    def telemetry(self, command):
        with Telemetry(self.instance, self.pid) as t:
            return t.query(command)

    def close(self):
        try:
            super().close()
        finally:
            shutil.rmtree(f'/run/dpdk/{self.instance}', ignore_errors=True)


class Hugepages:
    """`count` free hugepages of 2 MiB, and hugetlbfs mounted on /dev/hugepages if it is mounted nowhere. Both are
    undone at the end (what was added is taken away, so two can overlap). Skip if the host has not got them."""

    DIR = '/sys/kernel/mm/hugepages/hugepages-2048kB'

    def __init__(self, count):
        self.count, self.added, self.mounted, self.made = count, 0, False, False

    def _get(self, name):
        with open(f'{self.DIR}/{name}') as f:
            return int(f.read())

    @staticmethod
    def _write(name, value):
        with open(f'/proc/sys/vm/{name}', 'w') as f:
            f.write(str(value))

    def _set(self, value):
        self._write('nr_hugepages', value)

    def __enter__(self):
        try:
            missing = self.count - (self._get('free_hugepages') - self._get('resv_hugepages'))
            if missing > 0:
                before = self._get('nr_hugepages')
                for _ in range(3):
                    self._set(before + missing)
                    self.added = self._get('nr_hugepages') - before
                    if self.added == missing:
                        break
                    self._write('compact_memory', 1)
                else:
                    raise Skip(f'{missing} more hugepages wanted, got {self.added}')
            with open('/proc/mounts') as f:
                if not any(line.split()[2] == 'hugetlbfs' for line in f):
                    self.made = not os.path.isdir('/dev/hugepages')
                    os.makedirs('/dev/hugepages', exist_ok=True)
                    run('mount', '-t', 'hugetlbfs', 'none', '/dev/hugepages')
                    self.mounted = True
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if self.mounted:
            self.mounted = run('umount', '/dev/hugepages', check=False).returncode != 0
            if self.made and not self.mounted:
                os.rmdir('/dev/hugepages')
        if self.added:
            self._set(max(0, self._get('nr_hugepages') - self.added))
            self.added = 0
