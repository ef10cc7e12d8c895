#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A vhost-user front end (the container's side) with a split-ring virtio-net driver, for tests.

It is both a well-behaved and a hostile container: every step can be done by one convenience call, by its own
message, or raw; rings and descriptors can be written with any value.

    with Frontend('/run/vfring/web0.sock') as fe:
        fe.start(VERSION_1 | MRG_RXBUF | EVENT_IDX | INDIRECT)
        fe.rx[0].post(128, 2048)                # 128 buffers of 2048 bytes, virtio-net header included
        fe.tx[0].send(frame, 'chain')           # 'single', 'chain' (header + data), 'indirect'
        for packet in fe.rx[0].receive(1): ...  # bytes after the header; packet.header, packet.used
        fe.new_memory(4 << 20)                  # as virtio-user does it: disable, SET_MEM_TABLE, enable

Words: a *ring* is one virtqueue; ring 2i is what the container receives on (fe.rx[i]), 2i + 1 what it sends on.
Addresses: descriptors hold guest addresses (gpa), SET_VRING_ADDR holds user addresses (uva); by default they differ,
so that a back end which mixes them up is found. Everything that waits has a limit.
"""
import collections
import mmap
import os
import select
import socket
import struct
import threading
import time

# Requests
(GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, SET_LOG_BASE, SET_LOG_FD, SET_VRING_NUM,
 SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR, GET_PROTOCOL_FEATURES,
 SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE, SEND_RARP, NET_SET_MTU) = range(1, 21)
SET_STATUS, GET_STATUS = 39, 40

# Message flags
VERSION, REPLY, NEED_REPLY = 0x1, 0x4, 0x8
VRING_NOFD = 0x100

# Virtio and vhost feature bits
MRG_RXBUF = 1 << 15
NET_STATUS = 1 << 16
NET_MQ = 1 << 22
LOG_ALL = 1 << 26
INDIRECT = 1 << 28
EVENT_IDX = 1 << 29
PROTOCOL_FEATURES = 1 << 30
VERSION_1 = 1 << 32
IOMMU_PLATFORM = 1 << 33
RING_PACKED = 1 << 34
IN_ORDER = 1 << 35
DEFAULT_FEATURES = VERSION_1 | MRG_RXBUF | INDIRECT

# Protocol feature bits
P_MQ, P_LOG_SHMFD, P_RARP, P_REPLY_ACK, P_MTU, P_STATUS = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 16
DEFAULT_PROTOCOL = P_MQ | P_REPLY_ACK | P_STATUS

# Device status
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8

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


class VhostError(Exception):
    """The back end refused a message (a REPLY_ACK that is not 0, or a reply that makes no sense)."""


class RingError(Exception):
    """The back end broke the rules of the ring."""


class Packet(bytes):
    """A received packet without its virtio-net header. header: those bytes. used: [(id, length)] it came in."""
    header = b''
    used = ()


class Region:
    """One memfd that the back end is given to map."""

    def __init__(self, size, gpa, uva, mmap_offset=0):
        self.size, self.gpa, self.uva, self.mmap_offset = size, gpa, uva, mmap_offset
        self.fd = os.memfd_create('vfring-test')
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

    def add(self, size, gpa=None, uva=None, mmap_offset=0):
        if gpa is None:
            gpa = max([r.gpa + r.size for r in self.regions], default=0x40000000)
        if uva is None:
            uva = max([r.uva + r.size for r in self.regions], default=0x7e0000000000)
        self.regions.append(Region(size, gpa, uva, mmap_offset))
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
    """A split virtqueue, the driver's half. Plain methods keep the rules; those named raw_* write anything."""

    def __init__(self, mem, index, num, region=None):
        self.mem, self.index, self.num = mem, index, num
        self.desc = mem.alloc(16 * num, region)
        self.avail = mem.alloc(6 + 2 * num, region)
        self.used = mem.alloc(6 + 8 * num, region)
        self.kick_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.event_idx, self.header = False, 12
        self.reset()

    def reset(self, start=0):
        """Empty ring, all indices at `start` (near 65535: see them wrap), as by a driver that starts anew on the same
        memory. Not while the back end uses it."""
        self.mem.write(self.desc, bytes(16 * self.num))
        self.mem.write(self.avail, bytes(6 + 2 * self.num))
        self.mem.write(self.used, bytes(6 + 8 * self.num))
        for base in (self.avail, self.used):
            self.mem.put(U16, base + 2, start)
        self.avail_idx = self.last_used = self.kicked = start
        self.free = collections.deque(range(self.num))
        self.chains = {}                     # head -> [(descriptor or None, gpa, length)]
        self.tables = {}                     # head -> (gpa, length) of its indirect table
        self.order = collections.deque()     # heads as made available
        self.out_of_order = 0                # used entries that were not the oldest outstanding
        self.calls = 0                       # notifications received

    def close(self):
        for fd in (self.kick_fd, self.call_fd):
            os.close(fd)

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

    def kick(self):
        os.eventfd_write(self.kick_fd, 1)

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
        return self.used_idx != self.last_used

    def disarm(self):
        """Ask for no calls (with EVENT_IDX: for one in 65535 entries)."""
        if self.event_idx:
            self.raw_used_event(self.last_used - 1)
        else:
            self.raw_avail_flags(NO_INTERRUPT)

    def wait_call(self, timeout=5):
        """Sleep until the back end calls. The number of calls since the last time, 0 if it did not."""
        if not select.select([self.call_fd], [], [], timeout)[0]:
            return 0
        n = os.eventfd_read(self.call_fd)
        self.calls += n
        return n

    def harvest(self):
        """New used entries [(id, length)] in the order published. Descriptors stay taken until reclaim(id)."""
        idx, out = self.used_idx, []
        if (idx - self.last_used) & 0xffff > (self.avail_idx - self.last_used) & 0xffff:
            raise RingError(f'ring {self.index}: used index {idx}, but only {self.avail_idx} made available')
        while self.last_used != idx:
            out.append(self.used_entry(self.last_used))
            self.last_used = (self.last_used + 1) & 0xffff
            head = out[-1][0]
            if head not in self.chains:
                continue  # made available by raw_avail, or a wrong id: the caller sees it
            if self.order[0] != head:
                self.out_of_order += 1
                self.order.remove(head)
            else:
                self.order.popleft()
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

    def forget(self):
        """The driver starts the ring again where the back end stopped: what is outstanding is dropped, not reused."""
        for head in list(self.chains):
            self.reclaim(head)
        self.order.clear()


class RxRing(Ring):
    """The ring the container receives on."""

    def reset(self, start=0):
        super().reset(start)
        self.pending = []  # harvested [(id, length, data)] that do not make a whole packet yet

    def post(self, count=None, size=2048, chain=1, region=None):
        """Post `count` buffers (default: as many as fit), each `chain` descriptors of `size` bytes."""
        for _ in range(len(self.free) // chain if count is None else count):
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


class TxRing(Ring):
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
        if len(self.free) < len(bufs):
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


class Frontend:
    """One vhost-user connection with its memory and rings.

    path      the socket; server=True listens there (and unlinks it at close), call accept() then
    queues    ring pairs
    memory    [size] or [(size, gpa, uva)] or [(size, gpa, uva, mmap_offset)] of the regions; rings are in the first one
    """

    def __init__(self, path, queues=1, server=False, ring_size=256, memory=(16 << 20,), timeout=5):
        self.path, self.queues, self.timeout = path, queues, timeout
        self.features = self.protocol = 0
        self.sock = self.listener = None
        self.mem = Memory()
        for m in memory:
            self.mem.add(*(m if isinstance(m, tuple) else (m,)))
        self.rx = [RxRing(self.mem, 2 * i, ring_size) for i in range(queues)]
        self.tx = [TxRing(self.mem, 2 * i + 1, ring_size) for i in range(queues)]
        self.rings = [r for pair in zip(self.rx, self.tx) for r in pair]
        if server:
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(path)
            self.listener.listen(1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # Connection
    def connect(self, timeout=None):
        """Client: connect, and try again until the socket is there. Replaces a connection that exists."""
        self.disconnect()
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(self.timeout)
            try:
                s.connect(self.path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                s.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.sock = s

    def accept(self, timeout=None):
        """Server: wait for the back end. Replaces a connection that exists."""
        self.disconnect()
        self.listener.settimeout(self.timeout if timeout is None else timeout)
        self.sock, _ = self.listener.accept()
        self.sock.settimeout(self.timeout)

    def disconnect(self):
        """Hang up without a word, as a killed container does. Memory and rings stay."""
        if self.sock:
            self.sock.close()
        self.sock, self.protocol = None, 0

    def close(self):
        self.disconnect()
        if self.listener:
            self.listener.close()
            self.listener = None
            os.unlink(self.path)
        for r in self.rings:
            r.close()
        self.rings = []
        self.mem.close()

    def hung_up(self, timeout=0):
        """True if the back end closes (or has closed) the connection within the time. Messages that it sends are
        dropped."""
        end = time.monotonic() + timeout
        while self.sock:
            left = max(0, end - time.monotonic())
            if not select.select([self.sock], [], [], left)[0]:
                return False
            try:
                data = self.sock.recv(4096)
            except ConnectionError:
                pass
            else:
                if data:
                    continue
            self.disconnect()
        return True

    # Messages
    def send_raw(self, request, payload=b'', fds=(), flags=VERSION, size=None):
        """One message, nothing checked, no reply awaited. size: what the header says, if not the truth."""
        head = struct.pack('<III', request, flags, len(payload) if size is None else size)
        socket.send_fds(self.sock, [head + payload], list(fds))

    def _recv(self, n):
        data = b''
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise ConnectionResetError('the back end hung up')
            data += part
        return data

    def recv_raw(self):
        """(request, flags, payload) of the next message."""
        request, flags, size = struct.unpack('<III', self._recv(12))
        return request, flags, self._recv(size)

    def get(self, request, payload=b''):
        """A request that has a reply: the reply's payload."""
        self.send_raw(request, payload)
        got, flags, data = self.recv_raw()
        if got != request or not flags & REPLY:
            raise VhostError(f'request {request}: the reply is to {got}, flags {flags:#x}')
        return data

    def set(self, request, payload=b'', fds=()):
        """A request without a reply of its own. With REPLY_ACK wait until it is done; VhostError if it failed."""
        if not self.protocol & P_REPLY_ACK:
            self.send_raw(request, payload, fds)
            return
        self.send_raw(request, payload, fds, VERSION | NEED_REPLY)
        got, _, data = self.recv_raw()
        if got != request or len(data) != 8 or data != bytes(8):
            raise VhostError(f'request {request} failed: reply to {got}: {data.hex()}')

    def sync(self):
        """Wait until everything sent so far was handled, REPLY_ACK or not."""
        self.get(GET_FEATURES)

    def get_u64(self, request):
        return struct.unpack('<Q', self.get(request))[0]

    def set_u64(self, request, value, fds=()):
        self.set(request, struct.pack('<Q', value), fds)

    def get_features(self):
        return self.get_u64(GET_FEATURES)

    def set_features(self, features):
        """Also tells the rings how they are driven from now on."""
        self.set_u64(SET_FEATURES, features)
        self.features = features
        for r in self.rings:
            r.event_idx = bool(features & EVENT_IDX)
            r.header = 12 if features & (MRG_RXBUF | VERSION_1) else 10
            r.mergeable = bool(features & MRG_RXBUF)

    def get_protocol_features(self):
        return self.get_u64(GET_PROTOCOL_FEATURES)

    def set_protocol_features(self, features):
        self.send_raw(SET_PROTOCOL_FEATURES, struct.pack('<Q', features))
        self.protocol = features

    def set_owner(self):
        self.set(SET_OWNER)

    def get_queue_num(self):
        return self.get_u64(GET_QUEUE_NUM)

    def set_status(self, status):
        if self.protocol & P_STATUS:
            self.set_u64(SET_STATUS, status)

    def set_mem_table(self, regions=None):
        """Send these regions (default: all of the memory)."""
        regions = self.mem.regions if regions is None else regions
        table = b''.join(struct.pack('<QQQQ', r.gpa, r.size, r.uva, r.mmap_offset) for r in regions)
        self.set(SET_MEM_TABLE, struct.pack('<II', len(regions), 0) + table, [r.fd for r in regions])

    def set_vring_num(self, ring, num=None):
        self.set(SET_VRING_NUM, struct.pack('<II', ring.index, ring.num if num is None else num))

    def set_vring_base(self, ring, base=None):
        """Default: the used index, where a back end that lost everything has to go on."""
        self.set(SET_VRING_BASE, struct.pack('<II', ring.index, ring.used_idx if base is None else base))

    def set_vring_addr(self, ring, desc=None, used=None, avail=None, flags=0):
        """User addresses, if other than the ring's own."""
        uva = self.mem.uva
        self.set(SET_VRING_ADDR, struct.pack('<IIQQQQ', ring.index, flags,
                                             uva(ring.desc) if desc is None else desc,
                                             uva(ring.used) if used is None else used,
                                             uva(ring.avail) if avail is None else avail, 0))

    def set_vring_kick(self, ring, fd=None):
        """fd=-1: none, the back end polls."""
        self._set_fd(SET_VRING_KICK, ring, ring.kick_fd if fd is None else fd)

    def set_vring_call(self, ring, fd=None):
        """fd=-1: none, the driver polls."""
        self._set_fd(SET_VRING_CALL, ring, ring.call_fd if fd is None else fd)

    def _set_fd(self, request, ring, fd):
        if fd < 0:
            self.set_u64(request, ring.index | VRING_NOFD)
        else:
            self.set_u64(request, ring.index, [fd])

    def set_vring_enable(self, ring, on):
        self.set(SET_VRING_ENABLE, struct.pack('<II', ring.index, int(on)))

    def get_vring_base(self, ring):
        """Stops the ring; returns the index of the next descriptor the back end would have taken."""
        index, base = struct.unpack('<II', self.get(GET_VRING_BASE, struct.pack('<I', ring.index) + bytes(4)))
        if index != ring.index:
            raise VhostError(f'GET_VRING_BASE of ring {ring.index} answered for {index}')
        return base

    # Several at once
    def negotiate(self, features=DEFAULT_FEATURES, protocol=DEFAULT_PROTOCOL):
        """Owner and features: of those wanted, what is offered."""
        self.set_owner()
        self.offered = self.get_features()
        features &= self.offered
        self.queue_num = 1
        if self.offered & PROTOCOL_FEATURES and protocol:
            features |= PROTOCOL_FEATURES
            self.set_protocol_features(protocol & self.get_protocol_features())
            if self.protocol & P_MQ:
                self.queue_num = self.get_queue_num()
        self.set_status(0)
        self.set_status(ACKNOWLEDGE)
        self.set_status(ACKNOWLEDGE | DRIVER)
        self.set_features(features)
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK)

    def start_rings(self, bases=None, enable=True):
        """Calls, memory, rings, in virtio-user's order. bases: one per ring, default its used index."""
        for r in self.rings:
            self.set_vring_call(r)
        self.set_mem_table()
        for i, r in enumerate(self.rings):
            self.set_vring_num(r)
            self.set_vring_base(r, bases and bases[i])
            self.set_vring_addr(r)
            self.set_vring_kick(r)
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)
        if enable:
            self.enable(True)
        self.sync()  # librte_vhost answers the last message before its new_device() has run

    def start(self, features=DEFAULT_FEATURES, protocol=DEFAULT_PROTOCOL, bases=None, enable=True):
        """The whole handshake; connects first (or accepts) if that has not been done. Also the way to come back after
        disconnect() or a restart of the back end, with the rings as they are."""
        if self.hung_up():
            if self.listener:
                self.accept()
            else:
                self.connect()
        self.negotiate(features, protocol)
        self.start_rings(bases, enable)

    def enable(self, on):
        """All rings. Without PROTOCOL_FEATURES there is no such message: rings are enabled by their kick."""
        if self.features & PROTOCOL_FEATURES:
            for r in self.rings:
                self.set_vring_enable(r, on)

    def stop(self):
        """The polite way to stop: disable, GET_VRING_BASE. Returns the bases, for start_rings()."""
        self.enable(False)
        bases = [self.get_vring_base(r) for r in self.rings]
        self.set_status(0)
        return bases

    def new_memory(self, *sizes, style='virtio-user'):
        """Add regions and send the new table: 'virtio-user' disables the rings for it, 'qemu' does not.
        Returns the new regions."""
        new = [self.mem.add(size) for size in sizes]
        if style == 'virtio-user':
            self.enable(False)
        self.set_mem_table()
        if style == 'virtio-user':
            self.enable(True)
        self.sync()
        return new

    def shrink(self, region, size):
        """Truncate a region's memfd (region: object or number) under the back end's mapping."""
        if isinstance(region, int):
            region = self.mem.regions[region]
        region.shrink(size)
