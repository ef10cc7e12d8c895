# SPDX-License-Identifier: BSD-3-Clause
"""What the programs in bench/ have in common: options, the lab, how they end.

Each prints one number on standard output and says the rest on standard error.
"""
import argparse
import os
import signal
import sys

import contestants
from lab import Failed, Lab, Setup


def say(text):
    print(text, file=sys.stderr, flush=True)


def words(text):
    return text.split(',')


def parser(doc, rounds=3, seconds=1.0):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=rounds, help='default: %(default)s')
    p.add_argument('--seconds', type=float, default=seconds, help='of each window; default: %(default)s')
    p.add_argument('--settle', type=float, default=0.3,
                   help='seconds from full load to the window; default: %(default)s')
    p.add_argument('--no-huge', action='store_true', help='no hugepages for anyone')
    p.add_argument('--switch-cpu', type=int, default=1, help='default: %(default)s')
    p.add_argument('--container-cpu', type=int, default=0, help='default: %(default)s')
    p.add_argument('--other-cpu', type=int, default=0,
                   help='main threads and all that does not poll; default: %(default)s')
    p.add_argument('--nice', type=int, default=-10, help='priority of all that is started; default: %(default)s')
    return p


def add_contestant(p, default='vfring-mapped'):
    p.add_argument('contestant', nargs='?', choices=contestants.NAMES, default=default, help='default: %(default)s')


def add_setup(p, size=True, ring=True):
    if size:
        p.add_argument('--size', default='64', help='bytes without checksum, or imix; default: %(default)s')
    if ring:
        p.add_argument('--ring', type=int, default=1024, help="entries of the container's rings; default: %(default)s")
    p.add_argument('--desc', type=int, default=128, help="descriptors of the NIC's queues; default: %(default)s")
    p.add_argument('--vdev', default=Setup.vdev,
                   help="more arguments of the container's virtio-user; default: %(default)s")


def setup(a, **more):
    """What the options ask for."""
    return Setup(**{**{k: getattr(a, k) for k in ('ring', 'desc', 'vdev', 'dma') if hasattr(a, k)}, **more})


def in_lab(p, a, body):
    """body(lab), with everything cleaned up however it ends; ends the program. SIGTERM and SIGHUP act like Ctrl-C."""
    if os.geteuid() != 0:
        p.error('run as root: CPUs, memory and sockets are reserved')

    def end(number, _):
        raise SystemExit(128 + number)
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, end)
    try:
        with Lab(not a.no_huge, a.switch_cpu, a.container_cpu, a.other_cpu, a.nice) as lab:
            if lab.note:
                say(f'{p.prog}: {lab.note}: nobody gets any')
            load = os.getloadavg()[0]
            if load > 0.5:
                say(f'{p.prog}: this machine is busy (load {load:.1f}): the figures will be worse than they could be')
            status = body(lab)
    except Failed as e:
        sys.exit(f'{p.prog}: {e}')
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status)
