#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# time limit: 900 s
"""An emulated 82576 goes down and up, and its VFs vanish while containers use them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from machine import Machine, relay
from tap import Tap

with Tap() as t, Machine() as machine:
    relay(t, machine, 'events.py', 'ini', limit=600)
sys.exit(t.status)
