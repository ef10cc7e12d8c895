#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A container that takes what a simulated VF generates, on a front end of vhost_user.py, and looks at every packet."""
import time

from rig import wait_for
from vhost_user import DEFAULT_FEATURES, NET_MQ

SIZE = 200  # of the generator's frames
FILLER = bytes(60)


class Container:
    """A front end that takes packets, looks at each, and sends every tenth back."""

    def __init__(self, fe, pairs=1):
        self.fe, self.packets, self.fillers, self.bad = fe, 0, 0, []
        fe.start(DEFAULT_FEATURES | (NET_MQ if pairs > 1 else 0))
        for ring in fe.rx:
            ring.post(size=2176)

    def look(self, packet):
        if bytes(packet) == FILLER:
            self.fillers += 1
        elif len(packet) != SIZE or any(b != (i & 0xff) for i, b in enumerate(packet[42:], 42)):
            self.bad.append(f'{len(packet)} bytes: {bytes(packet[:64]).hex()}')
        self.packets += 1

    def run(self, count, limit=10):
        """Until so many more packets have come; False if they do not."""
        want, end = self.packets + count, time.monotonic() + limit
        while self.packets < want and time.monotonic() < end:
            for rx, tx in zip(self.fe.rx, self.fe.tx):
                for packet in rx.poll():
                    self.look(packet)
                    if self.packets % 10 == 0 and tx.room > 2:
                        tx.send(bytes(packet))
                tx.complete()
                if rx.out_of_order or tx.out_of_order:
                    self.bad.append('buffers came back out of order')
        return self.packets >= want

    def until(self, cond, what):
        """Take packets until the condition holds."""
        wait_for(lambda: (self.run(1, 0.05), cond())[1], 20, what, step=0)
