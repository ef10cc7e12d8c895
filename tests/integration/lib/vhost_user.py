#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A vhost-user front end (the container's side) with a virtio-net driver for split and packed rings, for tests.

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
import os
import select
import socket
import struct
import time

from packed_ring import WRAP, PackedRxRing, PackedTxRing  # noqa: F401: WRAP for tests
from virtqueue import F_INDIRECT, F_NEXT, F_WRITE, Memory, RingError, RxRing, TxRing  # noqa: F401: for tests too

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


class VhostError(Exception):
    """The back end refused a message (a REPLY_ACK that is not 0, or a reply that makes no sense)."""


class Frontend:
    """One vhost-user connection with its memory and rings.

    path      the socket; server=True listens there (and unlinks it at close), call accept() then
    queues    ring pairs
    packed    rings are packed: RING_PACKED is added to the features
    memory    [size] or [(size, gpa, uva)] or [(size, gpa, uva, mmap_offset)] of the regions; rings are in the first one
    page      size of the hugepages that it is made of
    """

    def __init__(self, path, queues=1, server=False, ring_size=256, memory=(16 << 20,), timeout=20, packed=False,
                 page=None):
        self.path, self.queues, self.timeout, self.packed = path, queues, timeout, packed
        self.features = self.protocol = 0
        self.sock = self.listener = None
        self.mem = Memory()
        for m in memory:
            self.mem.add(*(m if isinstance(m, tuple) else (m,)), page=page)
        rx, tx = (PackedRxRing, PackedTxRing) if packed else (RxRing, TxRing)
        self.rx = [rx(self.mem, 2 * i, ring_size) for i in range(queues)]
        self.tx = [tx(self.mem, 2 * i + 1, ring_size) for i in range(queues)]
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
        """Default: where a back end that lost everything has to go on."""
        self.set(SET_VRING_BASE, struct.pack('<II', ring.index, ring.base if base is None else base))

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
        """Stops the ring; returns the base: where the back end would have gone on."""
        index, base = struct.unpack('<II', self.get(GET_VRING_BASE, struct.pack('<I', ring.index) + bytes(4)))
        if index != ring.index:
            raise VhostError(f'GET_VRING_BASE of ring {ring.index} answered for {index}')
        return base

    # Several at once
    def negotiate(self, features=DEFAULT_FEATURES, protocol=DEFAULT_PROTOCOL):
        """Owner and features: of those wanted, what is offered."""
        self.set_owner()
        self.offered = self.get_features()
        features = (features | (RING_PACKED if self.packed else 0)) & self.offered
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
        """Calls, memory, rings, in virtio-user's order. bases: one per ring, default its own."""
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
