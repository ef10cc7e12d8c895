#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 900 s
"""VFs of an emulated 82576 mapped into containers, in a virtual machine with an IOMMU. The VFs are prepared by hand."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from machine import Machine, relay
from tap import Tap

with Tap() as t, Machine(hugepages={'1G': 1}) as machine:
    relay(t, machine, 'mapping.py', 'hand', limit=600)
sys.exit(t.status)
