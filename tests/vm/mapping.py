#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 1200 s
"""VFs of an emulated 82576 mapped into containers, in a virtual machine with an IOMMU: VFs prepared by hand,
and by the daemon."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from machine import Machine, relay
from tap import Tap

with Tap() as t, Machine(hugepages={'1G': 1}) as machine:
    relay(t, machine, 'mapping.py', 'hand', 'frames')
    relay(t, machine, 'mapping.py', 'ini', limit=800)
sys.exit(t.status)
