#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A machine with an emulated 82576 and without an IOMMU: VFs are refused, and a PF that DPDK drives by physical
addresses is copied."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from machine import Machine, relay
from tap import Tap

with Tap() as t, Machine(iommu=False) as machine:
    relay(t, machine, 'noiommu.py', 'hand')
sys.exit(t.status)
