# SPDX-License-Identifier: BSD-3-Clause
"""Packed virtqueues, the driver's half: beside the split ones of virtqueue.py."""
import collections
import struct

from virtqueue import F_INDIRECT, F_NEXT, F_WRITE, U16, Receiving, Ring, RingError, Sending, fence

# Whose a descriptor is
F_AVAIL, F_USED = 1 << 7, 1 << 15
# Event suppression
EVENT_ENABLE, EVENT_DISABLE, EVENT_DESC = 0, 1, 2
# The wrap counter, beside a place, in bases and events
WRAP = 1 << 15

DESC = struct.Struct('@QIHH')
DESC_BUT_FLAGS = struct.Struct('@QIH')
EVENT = struct.Struct('@HH')


class PackedRing(Ring):
    """Its base is a place and WRAP. Buffer ids are numbers that say nothing of places."""

    def _sizes(self):
        return 16 * self.num, 4, 4

    def reset(self, start=None):
        super().reset(start)
        start = WRAP if start is None else start
        self.next = self.kicked = self.last_used = (start & ~WRAP, bool(start & WRAP))
        self.free = collections.deque(40503 * i & 0xffff for i in range(self.num))
        self.room = self.num  # free entries

    def _advance(self, at, entries):
        place, wrap = at[0] + entries, at[1]
        return (place - self.num, not wrap) if place >= self.num else (place, wrap)

    @staticmethod
    def _avail_flags(at):
        return F_AVAIL if at[1] else F_USED

    def _used_at(self, at):
        flags = self.get_desc(at[0])[3]
        return bool(flags & F_AVAIL) == bool(flags & F_USED) == at[1]

    def _entries(self, key):
        return 1 if key in self.tables or key not in self.chains else len(self.chains[key])

    @property
    def base(self):
        """Behind all that is used, harvested or not."""
        at = self.last_used
        for key in self.order:
            if not self._used_at(at):
                break
            at = self._advance(at, self._entries(key))
        return at[0] | WRAP * at[1]

    @property
    def device_event(self):
        """(place and WRAP, EVENT_*): what the back end wants to be kicked for."""
        return self.mem.get(EVENT, self.used)

    # Raw access
    def raw_desc(self, i, gpa, length, flags=0, key=0):
        """Write descriptor i with any values, the flags last."""
        self.mem.put(DESC_BUT_FLAGS, self.desc + 16 * i, gpa & (1 << 64) - 1, length, key)
        self.raw_flags(i, flags)

    def raw_flags(self, i, flags):
        self.mem.put(U16, self.desc + 16 * i + 14, flags)

    def get_desc(self, i):
        """(gpa, length, id, flags)"""
        return self.mem.get(DESC, self.desc + 16 * i)

    def raw_offer(self, gpa, length, flags=0, key=0):
        """Make any descriptor available, in the next place: no bookkeeping."""
        self.raw_chain((gpa, length, flags), key=key)

    def raw_chain(self, *descs, key=0):
        """Any descriptors [(gpa, length, flags)] in the next places, available at once."""
        at, first = self.next, None
        for gpa, length, flags in descs:
            flags |= self._avail_flags(at)
            self.raw_desc(at[0], gpa, length, self.get_desc(at[0])[3] if first is None else flags, key)
            first = flags if first is None else first
            at = self._advance(at, 1)
        self.raw_flags(self.next[0], first)  # last
        self.next = at

    def raw_driver_event(self, off_wrap, flags):
        self.mem.put(EVENT, self.avail, off_wrap, flags)

    # The driver
    def add(self, bufs, indirect=False):
        """Make one chain of [(gpa, length, flags)] available; F_NEXT is put in here. Returns its id."""
        if self.room < (1 if indirect else len(bufs)):
            raise RingError(f'ring {self.index}: no room for {len(bufs)} descriptors')
        key = self.free.popleft()
        self.chains[key] = [(None, gpa, length) for gpa, length, _ in bufs]
        if indirect:
            size = 16 * len(bufs)
            table = self.mem.alloc(size)
            for i, (gpa, length, flags) in enumerate(bufs):
                self.mem.put(DESC, table + 16 * i, gpa, length, 0, flags)
            self.tables[key] = (table, size)
            bufs = [(table, size, F_INDIRECT)]
        self.raw_chain(*((gpa, length, flags | F_NEXT) for gpa, length, flags in bufs[:-1]), bufs[-1], key=key)
        self.room -= len(bufs)
        self.order.append(key)
        return key

    def notify(self):
        """Kick if the back end wants it. True if it did."""
        fence()
        place, flags = self.device_event
        old, self.kicked = self.kicked, self.next
        want = flags != EVENT_DISABLE
        if flags == EVENT_DESC and self.event_idx:
            want = False
            while old != self.next:
                want |= old[0] | WRAP * old[1] == place
                old = self._advance(old, 1)
        if want:
            self.kick()
        return want

    def arm(self):
        """Ask for a call at the next used buffer. True if there already is one (do not sleep then)."""
        place, wrap = self.last_used
        self.raw_driver_event(place | WRAP * wrap, EVENT_DESC if self.event_idx else EVENT_ENABLE)
        fence()
        return self.has_used

    def disarm(self):
        """Ask for no calls."""
        self.raw_driver_event(0, EVENT_DISABLE)

    @property
    def has_used(self):
        return self.last_used != self.next and self._used_at(self.last_used)

    def harvest(self):
        """New used buffers [(id, length)] in the order published. Their entries stay taken until reclaim(id)."""
        out = []
        while self.has_used:
            _, length, key, flags = self.get_desc(self.last_used[0])
            out.append((key, length if flags & F_WRITE else 0))
            self.last_used = self._advance(self.last_used, self._entries(key))
            self._seen_used(key)
        return out

    def reclaim(self, key):
        """Free the buffer's entries; returns its parts [(gpa, length)]."""
        if key not in self.chains:
            raise RingError(f'ring {self.index}: used id {key} is not outstanding')
        self.room += self._entries(key)
        self.free.append(key)
        if key in self.tables:
            self.mem.release(*self.tables.pop(key))
        return [(gpa, length) for _, gpa, length in self.chains.pop(key)]


class PackedRxRing(Receiving, PackedRing):
    pass


class PackedTxRing(Sending, PackedRing):
    pass
