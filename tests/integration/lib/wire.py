#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The other end of the wire: sends frames on an interface and checks what a reflecting peer returns, byte by byte.

    wire.py --netns NS --iface IF echo --sizes 60..1514 [--vlan 5] [--count N] [--rate PPS] [--seconds S]
    wire.py --netns NS --iface IF blast --rate PPS --seconds S [--size 64]

Both print one line of JSON. echo exits 0 only if every frame came back once, in order and unchanged; blast (for restart
tests) if any came back at all. Sizes are those of the frame without VLAN tag and checksum; a tag adds 4 bytes.

A test frame: destination, source, [VLAN tag,] EtherType 0x88b5 (local experiments), then magic, run, sequence number,
size, and pseudo-random bytes that depend on run and sequence number, hence differ at every position and in every frame.
"""
import argparse
import contextlib
import ctypes
import json
import os
import random
import select
import socket
import struct
import sys
import time

ETHERTYPE = 0x88b5
TPID = 0x8100
MAGIC = b'vfwr'
HEAD = struct.Struct('!4sIIH')        # magic, run, sequence number, size
MIN_SIZE = 14 + HEAD.size
PEER_MAC = bytes.fromhex('02766600000b')

# Linux, not in the socket module
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 1, 8, 23
PACKET_MR_PROMISC = 1
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
AUXDATA = struct.Struct('@IIIHHHH')   # struct tpacket_auxdata
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def setns(fd, kind=CLONE_NEWNET):
    """os.setns() of Python 3.12."""
    if _libc.setns(fd, kind):
        raise OSError(ctypes.get_errno(), 'setns: ' + os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def in_netns(name):
    """Run the body in the network namespace `name` (None: stay). Sockets opened there stay there."""
    if not name:
        yield
        return
    with open('/proc/thread-self/ns/net') as old, open(f'/run/netns/{name}') as new:
        setns(new.fileno())
        try:
            yield
        finally:
            setns(old.fileno())


class Wire:
    """A raw socket on one interface."""

    def __init__(self, iface, netns=None, promisc=True):
        with in_netns(netns):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20)
            with contextlib.suppress(OSError):  # Linux 4.20; recv() looks again
                self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            if promisc:
                self.sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack(
                    '@iHH8s', socket.if_nametoindex(iface), PACKET_MR_PROMISC, 0, b''))
            self.sock.bind((iface, 0x0003))  # ETH_P_ALL
        self.sock.setblocking(False)
        self.mac = self.sock.getsockname()[4]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, frame, timeout=30):
        """Send, wait for room if there is none."""
        end = time.monotonic() + timeout
        while True:
            try:
                return self.sock.send(frame)
            except (BlockingIOError, OSError) as e:
                if e.errno not in (11, 105) or time.monotonic() > end:  # EAGAIN, ENOBUFS
                    raise
                select.select([], [self.sock], [], 0.001)

    def recv(self, timeout=0):
        """The next frame that came in, with its VLAN tag in place; None if there is none in time."""
        end = None
        while True:
            try:
                data, aux, _, address = self.sock.recvmsg(65600, 64)
            except BlockingIOError:
                now = time.monotonic()
                end = now + timeout if end is None else end
                if now >= end:
                    return None
                select.select([self.sock], [], [], end - now)
                continue
            if address[2] == socket.PACKET_OUTGOING:
                continue
            for level, kind, value in aux:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, _, _, _, _, tci, tpid = AUXDATA.unpack(value[:AUXDATA.size])
                    if status & TP_STATUS_VLAN_VALID:
                        tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else TPID
                        data = data[:12] + struct.pack('!HH', tpid, tci) + data[12:]
            return data


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Frames:
    """Makes test frames and finds them again."""

    def __init__(self, src, dst=PEER_MAC, vlan=None, run=None):
        self.run = random.getrandbits(32) if run is None else run
        self.tag = b'' if vlan is None else struct.pack('!HH', TPID, vlan)
        self.addresses, self.swapped = dst + src, src + dst
        self.head = self.tag + struct.pack('!H', ETHERTYPE)

    def make(self, seq, size):
        """Everything after the addresses."""
        if size < MIN_SIZE:
            raise ValueError(f'{size} bytes is less than the {MIN_SIZE} of a test frame')
        noise = random.Random(self.run << 32 | seq).randbytes(size - MIN_SIZE)
        return self.head + HEAD.pack(MAGIC, self.run, seq, size) + noise

    def seq(self, frame):
        """The sequence number; None for a foreign frame, -1 for one of ours that is too damaged to tell."""
        off = 16 if frame[12:14] == b'\x81\x00' else 12
        if frame[off:off + 2] != struct.pack('!H', ETHERTYPE):
            return None
        if len(frame) < off + 2 + HEAD.size:
            return -1
        magic, run, seq, _ = HEAD.unpack_from(frame, off + 2)
        if magic == MAGIC and run != self.run:
            return None  # a late one of an earlier run
        return seq if magic == MAGIC else -1


def difference(got, want):
    """'' if equal (a runt may have been padded with zeros to 60 bytes), else where they begin to differ."""
    if got == want or (len(want) < 60 and len(got) == 60 and got == want.ljust(60, b'\0')):
        return ''
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return (f'{len(got)} bytes for {len(want)}, differ from byte {at}: '
            f'{got[at:at + 8].hex()} for {want[at:at + 8].hex()}')


def echo_compare(ifname, sizes, vlan=None, window=32, timeout=10, netns=None, count=None, seconds=None, rate=None,
                 dst=PEER_MAC, swap=True):
    """Send frames of all `sizes` (again and again until `count` frames or `seconds`, if given) to a peer that returns
    them, at most `window` outstanding and at most `rate` a second; compare each byte. A frame that is not back
    `timeout` after the last sign of life is lost; after three times nothing in a row the rest is not sent.
    swap: the peer exchanges the MAC addresses (testpmd macswap); if not, they must come back as they were (io).

    Returns sent, returned, lost, duplicated, reordered, corrupted, foreign, seconds, ok, and examples of what is wrong.
    ok: all that were to be sent came back once, in order and unchanged.
    """
    r = dict.fromkeys(('sent', 'returned', 'lost', 'duplicated', 'reordered', 'corrupted', 'foreign'), 0)
    examples = []
    sizes = list(sizes)
    with Wire(ifname, netns) as wire:
        frames = Frames(wire.mac, dst, vlan)
        back = frames.swapped if swap else frames.addresses
        total = count if count is not None else None if seconds else len(sizes)
        out = {}  # outstanding: sequence number -> what has to come back
        highest, silences, gave_up = -1, 0, False
        begin = last = time.monotonic()

        def example(text):
            if len(examples) < 10:
                examples.append(text)

        def take(frame):
            nonlocal highest, silences
            seq = frames.seq(frame)
            if seq is None:
                r['foreign'] += 1
                return False
            if seq not in out:
                kind = 'duplicated' if 0 <= seq < r['sent'] else 'corrupted'
                r[kind] += 1
                example(f'{kind}: frame {seq} of {r["sent"]}, {len(frame)} bytes: {frame[:32].hex()}')
                return True
            r['returned'] += 1
            silences = 0
            diff = difference(frame, out.pop(seq))
            if diff:
                r['corrupted'] += 1
                example(f'corrupted: frame {seq}: {diff}')
            if seq < highest:
                r['reordered'] += 1
                example(f'reordered: frame {seq} after {highest}')
            highest = max(highest, seq)
            return True

        while True:
            now = time.monotonic()
            more = not gave_up and (total is None or r['sent'] < total) and not (seconds and now - begin > seconds)
            if not more and not out:
                break
            due = rate is None or r['sent'] <= (now - begin) * rate
            if more and due and len(out) < window:
                seq, size = r['sent'], sizes[r['sent'] % len(sizes)]
                body = frames.make(seq, size)
                out[seq] = back + body
                if len(out) == 1:
                    last = now
                wire.send(frames.addresses + body)
                r['sent'] += 1
                frame = wire.recv()
            else:
                frame = wire.recv(min(timeout, 0.02 if rate is None else 1 / rate))
            while frame is not None:
                if take(frame):
                    last = time.monotonic()
                frame = wire.recv()
            if out and time.monotonic() - last > timeout:
                r['lost'] += len(out)
                example(f'lost: frames {sorted(out)[:20]}, sizes {[len(out[s]) for s in sorted(out)[:20]]}')
                out.clear()
                last = time.monotonic()
                silences += 1
                if silences == 3:
                    gave_up = True
                    example(f'gave up after {r["sent"]} frames')
        end = time.monotonic() + 0.05  # late duplicates
        while time.monotonic() < end:
            frame = wire.recv(0.01)
            if frame is not None:
                take(frame)
    r['seconds'] = round(time.monotonic() - begin, 3)
    bad = sum(r[k] for k in ('lost', 'duplicated', 'reordered', 'corrupted'))
    r['ok'] = 0 < r['sent'] == r['returned'] and not bad and not gave_up
    r['examples'] = examples
    return r


def blast(ifname, rate, seconds, size=64, vlan=None, netns=None, count=None, dst=PEER_MAC, settle=0.5, stop=None):
    """Send `rate` frames a second for `seconds` (or `count` frames) whatever comes back, and watch the returns.

    Returns sent, returned, lost, duplicated, reordered, corrupted, and longest_gap: the longest time in seconds without
    a return while sending (to the first return and from the last one included), with gap_at, its beginning, in seconds
    from the start. stop: a threading.Event that ends it early. Contents are compared too (the peer is macswap).
    """
    r = dict.fromkeys(('sent', 'returned', 'lost', 'duplicated', 'reordered', 'corrupted'), 0)
    gap, gap_at, highest = 0.0, 0.0, -1
    with Wire(ifname, netns) as wire:
        frames = Frames(wire.mac, dst, vlan)
        seen = bytearray()
        begin = last = time.monotonic()

        def drain():
            nonlocal gap, gap_at, highest, last
            # Not for ever: frames of others may come as fast as they can be looked at.
            for _ in range(256):
                frame = wire.recv()
                if frame is None:
                    return
                seq = frames.seq(frame)
                if seq is None:
                    continue
                if not 0 <= seq < len(seen):
                    r['corrupted'] += 1
                    continue
                if seen[seq]:
                    r['duplicated'] += 1
                    continue
                seen[seq] = 1
                now = time.monotonic()
                r['returned'] += 1
                r['corrupted'] += bool(difference(frame, frames.swapped + frames.make(seq, size)))
                r['reordered'] += seq < highest
                highest = max(highest, seq)
                if now - last > gap:
                    gap, gap_at = now - last, last - begin
                last = now

        while True:
            now = time.monotonic()
            if now - begin > seconds or (count and r['sent'] >= count) or (stop and stop.is_set()):
                break
            due = min(int((now - begin) * rate) + 1 - r['sent'], 32)
            if due <= 0:
                select.select([wire.sock], [], [], max(0, begin + r['sent'] / rate - now))
            for _ in range(due):
                seen.append(0)
                wire.send(frames.addresses + frames.make(r['sent'], size))
                r['sent'] += 1
            drain()
        ended = time.monotonic()
        if ended - last > gap:
            gap, gap_at = ended - last, last - begin
        kept = gap, gap_at
        while time.monotonic() < ended + settle and r['returned'] < r['sent']:
            select.select([wire.sock], [], [], 0.01)
            drain()
    r['lost'] = r['sent'] - r['returned']
    r['longest_gap'], r['gap_at'] = round(kept[0], 4), round(kept[1], 4)
    r['seconds'] = round(ended - begin, 3)
    return r


def parse_sizes(text):
    """'60..1514', '64,128,1514', '60..128,1514'"""
    sizes = []
    for part in text.split(','):
        low, _, high = part.partition('..')
        sizes += range(int(low), int(high or low) + 1)
    return sizes


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--netns')
    p.add_argument('--iface', required=True)
    p.add_argument('--dst', default=PEER_MAC.hex(':'), help='destination MAC address')
    sub = p.add_subparsers(dest='mode', required=True)
    for name in ('echo', 'blast'):
        s = sub.add_parser(name)
        s.add_argument('--vlan', type=int)
        s.add_argument('--count', type=int)
        s.add_argument('--rate', type=float, default=None if name == 'echo' else 1000)
        s.add_argument('--seconds', type=float, default=None if name == 'echo' else 5)
    sub.choices['echo'].add_argument('--sizes', type=parse_sizes, default=parse_sizes('60..1514'))
    sub.choices['echo'].add_argument('--window', type=int, default=32)
    sub.choices['echo'].add_argument('--timeout', type=float, default=10)
    sub.choices['echo'].add_argument('--no-swap', action='store_true', help='the peer leaves MAC addresses alone')
    sub.choices['blast'].add_argument('--size', type=int, default=64)
    a = p.parse_args()
    dst = bytes.fromhex(a.dst.replace(':', ''))
    if a.mode == 'echo':
        r = echo_compare(a.iface, a.sizes, a.vlan, a.window, a.timeout, a.netns, a.count, a.seconds, a.rate, dst,
                         not a.no_swap)
        good = r['ok']
    else:
        r = blast(a.iface, a.rate, a.seconds, a.size, a.vlan, a.netns, a.count, dst)
        good = r['returned'] > 0
    print(json.dumps(r), flush=True)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
