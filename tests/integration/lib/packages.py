#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Debian packages for tests: downloaded into the build folder and unpacked there, never installed.

    files = package('busybox-static')       # the folder with its files
    files = backport('qemu-system-x86')     # a later Debian's version, with what it needs and this machine lacks
"""
import contextlib
import fcntl
import glob
import os
import re
import shutil
import subprocess
import tempfile

import rig
from rig import run
from tap import Skip

CACHE = os.path.join(os.environ.get('VFRING_BUILD', f'{rig.ROOT}/build'), 'vm-cache')


@contextlib.contextmanager
def locked(path):
    """One process at a time."""
    with open(path, 'w') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def apt(*argv, cwd=None, options=()):
    """An apt command: exit status, output. Fetches the package lists and tries again if it fails, for they may be
    absent or too old."""
    def attempt(*argv, limit):
        # As root it would read as a user who may not enter here, and warn.
        try:
            p = subprocess.run([argv[0], '-q', '-o', 'APT::Sandbox::User=root', *options, *argv[1:]], cwd=cwd, text=True,
                               timeout=limit, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return 124, f'{argv[0]} has not ended after {limit} s'
        return p.returncode, p.stdout
    if not shutil.which(argv[0]):
        raise Skip(f'no {argv[0]} to fetch packages with')
    code, out = attempt(*argv, limit=300)
    if code:
        attempt('apt-get', 'update', limit=120)
        code, out = attempt(*argv, limit=300)
    return code, out


@contextlib.contextmanager
def new_folder(folder):
    """A temporary folder; what the block puts into its folder `files` becomes `folder`."""
    with tempfile.TemporaryDirectory(dir=CACHE) as tmp:
        os.mkdir(f'{tmp}/files')
        yield tmp
        os.rename(f'{tmp}/files', folder)


def fetch(names, tmp, what, options=()):
    """Download packages, unpack them together. Skip if it cannot be done."""
    code, out = apt('apt-get', 'download', *names, cwd=tmp, options=options)
    debs = glob.glob(f'{tmp}/*.deb')
    if code or len(debs) != len(names):
        raise Skip(f'package {what} cannot be downloaded: {out.strip()[-200:]}')
    for deb in debs:
        run('dpkg-deb', '--extract', deb, f'{tmp}/files', limit=120)


def package(name):
    """The folder with the files of a Debian package, which is downloaded and unpacked if need be. Skip if it cannot."""
    folder = f'{CACHE}/{name}'
    os.makedirs(CACHE, exist_ok=True)
    with locked(f'{CACHE}/lock'):
        if not os.path.isdir(folder):
            with new_folder(folder) as tmp:
                fetch([name], tmp, name)
    return folder


def backports_sources():
    """Lines for a list of sources: those that this machine has for its Debian, and the backports beside them."""
    lines = []
    for attempt in range(2):
        _, out = apt('apt-get', 'indextargets', '--format', '$(SITE) $(CODENAME) $(ORIGIN) $(LABEL)',
                     'Created-By: Packages')
        for site, codename, *who in (line.split() for line in out.splitlines() if len(line.split()) == 4):
            # Not the security archive, which is another site.
            if who == ['Debian', 'Debian'] and '-' not in codename:
                lines += [f'deb {site} {suite} main' for suite in (codename, f'{codename}-backports')]
        if lines:
            break
        apt('apt-get', 'update')  # without the lists, names are not known
    if not lines:
        raise Skip(f'no Debian among the sources of packages: {out.strip()[-200:]}')
    return dict.fromkeys(lines)


def backport(name):
    """Like package(), the version in backports, in one folder with those of its dependencies that are not installed
    here or too old. The machine's own sources and lists stay as they are."""
    folder = f'{CACHE}/{name}-backport'
    os.makedirs(CACHE, exist_ok=True)
    with locked(f'{CACHE}/lock'):
        if os.path.isdir(folder):
            return folder
        with new_folder(folder) as tmp:
            os.makedirs(f'{tmp}/lists/partial')
            os.makedirs(f'{tmp}/cache/archives/partial')
            sources = backports_sources()
            with open(f'{tmp}/sources.list', 'w') as f:
                f.write(''.join(f'{line}\n' for line in sources))
            suite = next(line.split()[2] for line in sources if line.endswith('-backports main'))
            options = [o for option in ('Etc::SourceList={}/sources.list', 'Etc::SourceParts=/dev/null',
                                        'State::Lists={}/lists', 'Cache={}/cache')
                       for o in ('-o', 'Dir::' + option.format(tmp))]
            code, out = apt('apt-get', 'install', '--simulate', '--no-install-recommends', '--target-release', suite,
                            name, options=options)
            found = re.findall(r'^Inst (\S+) (?:\[\S+\] )?\((\S+) ', out, re.MULTILINE)
            wanted = [f'{n}={version}' for n, version in found]
            if code or not any(w.startswith(f'{name}=') for w in wanted):
                raise Skip(f'package {name} is not in {suite}, or cannot be had: {out.strip()[-200:]}')
            fetch(wanted, tmp, name, options)
    return folder
