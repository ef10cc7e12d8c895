# SPDX-License-Identifier: BSD-3-Clause
"""The container's memory and its virtqueues, the driver's half; well-behaved and hostile, as vhost_user.py says."""
import collections
import mmap
import os
import select
import struct
import threading
import time

# Descriptor, avail and used flags
F_NEXT, F_WRITE, F_INDIRECT = 1, 2, 4
NO_INTERRUPT = 1  # avail->flags
NO_NOTIFY = 1     # used->flags

# Native formats: what is stored is what the other side loads. A slice assignment is one memcpy, which for the two bytes
# of an index is one store.
U16, U32, U64 = struct.Struct('@H'), struct.Struct('@I'), struct.Struct('@Q')
DESC = struct.Struct('@QIHH')
USED_ELEM = struct.Struct('@II')

_fence_lock = threading.Lock()


def fence():
    """A full memory barrier: taking a lock is an atomic instruction (x86 orders everything but store-load itself)."""
    with _fence_lock:
        pass


class RingError(Exception):
    """The back end broke the rules of the ring."""


class Packet(bytes):
    """A received packet without its virtio-net header. header: those bytes. used: [(id, length)] it came in."""
    header = b''
    used = ()


class Region:
    """One memfd that the back end is given to map. page: the size of its hugepages."""

    def __init__(self, size, gpa, uva, mmap_offset=0, page=None):
        self.size, self.gpa, self.uva, self.mmap_offset = size, gpa, uva, mmap_offset
        huge = os.MFD_HUGETLB | (page.bit_length() - 1) << 26 if page else 0  # MFD_HUGE_SHIFT
        self.fd = os.memfd_create('vfring-test', os.MFD_CLOEXEC | huge)
        os.ftruncate(self.fd, mmap_offset + size)
        self.map = mmap.mmap(self.fd, mmap_offset + size)
        self.view = memoryview(self.map)[mmap_offset:]
        self.limit = size        # bytes that may be touched; less than size once shrunk
        self.next = 0            # bump allocator
        self.free = collections.defaultdict(list)

    def shrink(self, size):
        """Take the pages after `size` away. The back end gets SIGBUS there; so would we, hence `limit`."""
        os.ftruncate(self.fd, self.mmap_offset + size)
        self.limit = size

    def close(self):
        if self.fd >= 0:
            self.view.release()
            self.map.close()
            os.close(self.fd)
            self.fd = -1


class Memory:
    """The container's memory: regions, addressed by guest address; and a simple allocator."""

    def __init__(self):
        self.regions = []

    def add(self, size, gpa=None, uva=None, mmap_offset=0, page=None):
        if gpa is None:
            gpa = max([r.gpa + r.size for r in self.regions], default=0x40000000)
        if uva is None:
            uva = max([r.uva + r.size for r in self.regions], default=0x7e0000000000)
        self.regions.append(Region(size, gpa, uva, mmap_offset, page))
        return self.regions[-1]

    def find(self, gpa, length=1):
        """(region, offset) of a range inside one region that may be touched; else ValueError."""
        for r in self.regions:
            if r.gpa <= gpa and gpa + length <= r.gpa + r.limit:
                return r, gpa - r.gpa
        raise ValueError(f'no memory at {gpa:#x}+{length}')

    def uva(self, gpa):
        r, off = self.find(gpa)
        return r.uva + off

    def read(self, gpa, length):
        r, off = self.find(gpa, length)
        return bytes(r.view[off:off + length])

    def write(self, gpa, data):
        r, off = self.find(gpa, len(data))
        r.view[off:off + len(data)] = data

    def get(self, fmt, gpa):
        r, off = self.find(gpa, fmt.size)
        return fmt.unpack_from(r.view, off)

    def put(self, fmt, gpa, *values):
        # Not pack_into(): it clears the place first, and the other side could see an index of 0.
        self.write(gpa, fmt.pack(*values))

    @staticmethod
    def _class(size):
        return max(64, 1 << (size - 1).bit_length())

    def alloc(self, size, region=None):
        """The guest address of `size` bytes, aligned to the next power of two (at most a page)."""
        size = self._class(size)
        for r in [region] if region else self.regions:
            if r.free[size]:
                return r.free[size].pop()
            align = min(size, 4096)
            start = (r.next + align - 1) & ~(align - 1)
            if start + size <= r.limit:
                r.next = start + size
                return r.gpa + start
        raise MemoryError(f'no {size} bytes left in the container\'s memory')

    def release(self, gpa, size):
        r, _ = self.find(gpa)
        r.free[self._class(size)].append(gpa)

    def close(self):
        for r in self.regions:
            r.close()


class Ring:
    """A virtqueue of either kind, the driver's half. Plain methods keep the rules; those named raw_* write anything."""

    def __init__(self, mem, index, num, region=None):
        self.mem, self.index, self.num = mem, index, num
        self.desc, self.avail, self.used = (mem.alloc(size, region) for size in self._sizes())
        self.kick_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.event_idx, self.header = False, 12
        self.reset()

    def reset(self, start=None):
        """Empty ring, at the base `start` (default: the beginning), as by a driver that starts anew on the same memory.
        Not while the back end uses it."""
        for part, size in zip((self.desc, self.avail, self.used), self._sizes()):
            self.mem.write(part, bytes(size))
        self.chains = {}                     # head or id -> [(descriptor or None, gpa, length)]
        self.tables = {}                     # head or id -> (gpa, length) of its indirect table
        self.order = collections.deque()     # heads or ids as made available
        self.out_of_order = 0                # used entries that were not the oldest outstanding
        self.calls = 0                       # notifications received

    def close(self):
        for fd in (self.kick_fd, self.call_fd):
            os.close(fd)

    def kick(self):
        os.eventfd_write(self.kick_fd, 1)

    def wait_call(self, timeout=5):
        """Sleep until the back end calls. The number of calls since the last time, 0 if it did not."""
        if not select.select([self.call_fd], [], [], timeout)[0]:
            return 0
        n = os.eventfd_read(self.call_fd)
        self.calls += n
        return n

    def _seen_used(self, head):
        if head not in self.chains:
            return  # made available by raw_*, or a wrong id: the caller sees it
        if self.order[0] != head:
            self.out_of_order += 1
            self.order.remove(head)
        else:
            self.order.popleft()

    def forget(self):
        """The driver starts the ring again where the back end stopped: what is outstanding is dropped, not reused."""
        for head in list(self.chains):
            self.reclaim(head)
        self.order.clear()


class SplitRing(Ring):
    """Its base is an index: near 65535 the 16 bits wrap soon."""

    def _sizes(self):
        return 16 * self.num, 6 + 2 * self.num, 6 + 8 * self.num

    def reset(self, start=None):
        super().reset(start)
        start = start or 0
        for base in (self.avail, self.used):
            self.mem.put(U16, base + 2, start)
        self.avail_idx = self.last_used = self.kicked = start
        self.free = collections.deque(range(self.num))

    @property
    def room(self):
        """Free descriptors."""
        return len(self.free)

    @property
    def base(self):
        """Where a back end that lost everything has to go on."""
        return self.used_idx

    # What the back end wrote
    @property
    def used_idx(self):
        return self.mem.get(U16, self.used + 2)[0]

    @property
    def used_flags(self):
        return self.mem.get(U16, self.used)[0]

    @property
    def avail_event(self):
        return self.mem.get(U16, self.used + 4 + 8 * self.num)[0]

    def used_entry(self, position):
        """(id, length) at ring position `position` (any number, taken modulo the ring size)."""
        return self.mem.get(USED_ELEM, self.used + 4 + 8 * (position % self.num))

    # Raw access
    def raw_desc(self, i, gpa, length, flags=0, nxt=0):
        """Write descriptor i with any values."""
        self.mem.put(DESC, self.desc + 16 * i, gpa & (1 << 64) - 1, length, flags, nxt)

    def get_desc(self, i):
        """(gpa, length, flags, next)"""
        return self.mem.get(DESC, self.desc + 16 * i)

    def raw_avail(self, head):
        """Make `head` available, whatever it is: no bookkeeping."""
        self.raw_avail_entry(self.avail_idx, head)
        self.raw_avail_idx(self.avail_idx + 1)

    def raw_avail_entry(self, position, head):
        self.mem.put(U16, self.avail + 4 + 2 * (position % self.num), head)

    def raw_avail_idx(self, idx):
        self.avail_idx = idx & 0xffff
        self.mem.put(U16, self.avail + 2, self.avail_idx)

    def raw_avail_flags(self, flags):
        self.mem.put(U16, self.avail, flags)

    def raw_used_event(self, idx):
        self.mem.put(U16, self.avail + 4 + 2 * self.num, idx & 0xffff)

    # The driver
    def add(self, bufs, indirect=False):
        """Make one chain of [(gpa, length, flags)] available; F_NEXT is put in here. Returns its head."""
        need = 1 if indirect else len(bufs)
        if need > len(self.free):
            raise RingError(f'ring {self.index}: {need} descriptors wanted, {len(self.free)} free')
        if indirect:
            head, size = self.free.popleft(), 16 * len(bufs)
            table = self.mem.alloc(size)
            for i, (gpa, length, flags) in enumerate(bufs):
                last = i + 1 == len(bufs)
                self.mem.put(DESC, table + 16 * i, gpa, length, flags | (0 if last else F_NEXT), 0 if last else i + 1)
            self.raw_desc(head, table, size, F_INDIRECT)
            self.tables[head] = (table, size)
            self.chains[head] = [(head if i == 0 else None, b[0], b[1]) for i, b in enumerate(bufs)]
        else:
            ids = [self.free.popleft() for _ in bufs]
            head = ids[0]
            for i, (gpa, length, flags) in enumerate(bufs):
                last = i + 1 == len(bufs)
                self.raw_desc(ids[i], gpa, length, flags | (0 if last else F_NEXT), 0 if last else ids[i + 1])
            self.chains[head] = [(d, b[0], b[1]) for d, b in zip(ids, bufs)]
        self.order.append(head)
        self.raw_avail(head)
        return head

    def notify(self):
        """Kick if the back end wants it. True if it did."""
        fence()
        old, self.kicked = self.kicked, self.avail_idx
        if self.event_idx:
            want = (self.avail_idx - self.avail_event - 1) & 0xffff < (self.avail_idx - old) & 0xffff
        else:
            want = not self.used_flags & NO_NOTIFY
        if want:
            self.kick()
        return want

    def arm(self):
        """Ask for a call at the next used entry. True if there already is one (do not sleep then)."""
        if self.event_idx:
            self.raw_used_event(self.last_used)
        else:
            self.raw_avail_flags(0)
        fence()
        return self.has_used

    def disarm(self):
        """Ask for no calls (with EVENT_IDX: for one in 65535 entries)."""
        if self.event_idx:
            self.raw_used_event(self.last_used - 1)
        else:
            self.raw_avail_flags(NO_INTERRUPT)

    @property
    def has_used(self):
        return self.used_idx != self.last_used

    def harvest(self):
        """New used entries [(id, length)] in the order published. Descriptors stay taken until reclaim(id)."""
        idx, out = self.used_idx, []
        if (idx - self.last_used) & 0xffff > (self.avail_idx - self.last_used) & 0xffff:
            raise RingError(f'ring {self.index}: used index {idx}, but only {self.avail_idx} made available')
        while self.last_used != idx:
            out.append(self.used_entry(self.last_used))
            self.last_used = (self.last_used + 1) & 0xffff
            self._seen_used(out[-1][0])
        return out

    def reclaim(self, head):
        """Free the chain's descriptors; returns its buffers [(gpa, length)]."""
        if head not in self.chains:
            raise RingError(f'ring {self.index}: used id {head} is not outstanding')
        chain = self.chains.pop(head)
        self.free.extend(d for d, _, _ in chain if d is not None)
        if head in self.tables:
            self.mem.release(*self.tables.pop(head))
        return [(gpa, length) for _, gpa, length in chain]


class Receiving:
    """The ring the container receives on."""

    def reset(self, start=None):
        super().reset(start)
        self.pending = []  # harvested [(id, length, data)] that do not make a whole packet yet

    def post(self, count=None, size=2048, chain=1, region=None):
        """Post `count` buffers (default: as many as fit), each `chain` descriptors of `size` bytes."""
        for _ in range(self.room // chain if count is None else count):
            self.add([(self.mem.alloc(size, region), size, F_WRITE) for _ in range(chain)])
        self.notify()

    def post_at(self, *bufs):
        """Post one buffer made of [(gpa, length)]."""
        head = self.add([(gpa, length, F_WRITE) for gpa, length in bufs])
        self.notify()
        return head

    def poll(self, repost=True):
        """The whole packets that are there now, [Packet]. Their buffers are posted again unless repost=False."""
        used = self.harvest()
        for head, length in used:
            bufs, data, left = self.reclaim(head), [], length
            for gpa, size in bufs:
                data.append(self.mem.read(gpa, min(size, left)))
                left -= len(data[-1])
            if left:
                raise RingError(f'ring {self.index}: used length {length} of a buffer of {length - left}')
            self.pending.append((head, length, b''.join(data)))
            if repost:
                self.add([(gpa, size, F_WRITE) for gpa, size in bufs])
        if used and repost:
            self.notify()
        packets = []
        while self.pending:
            first = self.pending[0][2]
            if len(first) < self.header:
                raise RingError(f'ring {self.index}: used length {len(first)}, less than the header')
            n = U16.unpack_from(first, 10)[0] if self.mergeable else 1
            if n == 0:
                raise RingError(f'ring {self.index}: num_buffers is 0')
            if n > len(self.pending):
                break
            parts, self.pending = self.pending[:n], self.pending[n:]
            data = b''.join(p[2] for p in parts)
            packet = Packet(data[self.header:])
            packet.header = data[:self.header]
            packet.used = [p[:2] for p in parts]
            packets.append(packet)
        return packets

    def receive(self, count=1, timeout=5, repost=True):
        """Poll until `count` packets came or `timeout` passed; returns what came."""
        packets, end = [], time.monotonic() + timeout
        while len(packets) < count:
            got = self.poll(repost)
            packets += got
            if not got:
                if time.monotonic() > end:
                    break
                time.sleep(50e-6)
        return packets

    mergeable = True


class Sending:
    """The ring the container sends on."""

    def send(self, packet, layout='single', cuts=None, header=None, notify=True):
        """Send a packet; returns the head. Harvests completions first if the ring is full.

        layout  'single' descriptor, 'chain' of header + data, 'indirect' table of header + data
        cuts    instead: the positions in header + packet where a new descriptor begins, as a chain or an indirect table
        header  instead of zeros
        """
        data = (bytes(self.header) if header is None else header) + packet
        if cuts is None:
            cuts = () if layout == 'single' else (self.header,)
        bufs = []
        for start, end in zip((0, *cuts), (*cuts, len(data))):
            gpa = self.mem.alloc(max(1, end - start))
            self.mem.write(gpa, data[start:end])
            bufs.append((gpa, end - start, 0))
        if self.room < len(bufs):
            self.complete()
        head = self.add(bufs, indirect=layout == 'indirect')
        if notify:
            self.notify()
        return head

    def complete(self):
        """Completed ids, in order; their descriptors and buffers are free again."""
        ids = [head for head, _ in self.harvest()]
        for head in ids:
            for gpa, length in self.reclaim(head):
                self.mem.release(gpa, max(1, length))
        return ids

    def wait_done(self, timeout=5):
        """Complete until nothing is outstanding. True if so."""
        end = time.monotonic() + timeout
        while self.complete() or self.chains:
            if time.monotonic() > end:
                return False
            time.sleep(50e-6)
        return True


class RxRing(Receiving, SplitRing):
    pass


class TxRing(Sending, SplitRing):
    pass
