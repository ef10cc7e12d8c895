#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A container with up to 16 queue pairs on the simulated VF: RSS, two workers, fewer pairs started than offered, another
number at each start."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from rig import Daemon, Testpmd, load_simvf, wait_for
from tap import Tap
from vhost_user import DEFAULT_FEATURES, NET_MQ, Frontend

PAIRS = 16
FLOWS = 256
MAX_TESTPMD = 8  # virtio-user's limit


def config(**keys):
    return {
        'switch': {'workers': '0,1', 'hugepages': 'off', 'memory': 512, **load_simvf()},
        # Slow enough for two polling programs on two CPUs; what matters is where packets go.
        'port sim0': {'device': f'net_simvf0,dma=copy,size=60-200,flows={FLOWS},rate=20000,fifo=4096',
                      'queues': PAIRS, 'rx_desc': 64, 'tx_desc': 64},
        'container web0': {'socket': '{dir}/web0.sock', 'port': 'sim0', 'queues': PAIRS, **keys},
    }


def queues(d):
    return [d.telemetry(f'/vfring/queues,sim0:{q}') for q in range(PAIRS)]


def container(d, pairs):
    return Testpmd(d.dir + '/web0.sock', vdev=f'queues={MAX_TESTPMD},queue_size=256', lcores='0@0,1@0', forward='macswap',
                   args=[f'--rxq={pairs}', f'--txq={pairs}', '--rxd=256', '--txd=256'], memory=512)


def settled(d, pairs, mode):
    """Every pair that the container started works, the other queues are drained, and flows go to the former only."""
    before, now = queues(d), queues(d)
    return all(q['state'] == q['tx_mode'] == mode for q in now[:pairs]) and \
        all(q['state'] == 'drain' and q['rx_packets'] == b['rx_packets'] for q, b in list(zip(now, before))[pairs:])


def drops(states):
    return sum(v for q in states for k, v in q.items() if '_drop_' in k)


def run_pairs(t, d, pairs, mode):
    with container(d, pairs):
        wait_for(lambda: settled(d, pairs, mode), 20, lambda: f'{pairs} pairs to work: {[q["state"] for q in queues(d)]}')
        before = queues(d)
        wait_for(lambda: all(q['tx_packets'] >= b['tx_packets'] + 50 for q, b in list(zip(queues(d), before))[:pairs]), 20,
                 lambda: f'packets on each pair: {[q["tx_packets"] for q in queues(d)]}')
        after = queues(d)
        t.equal({q['state'] for q in after[:pairs]} | {q['tx_mode'] for q in after[:pairs]}, {mode},
                f'{pairs} of {PAIRS} pairs: each is {mode} both ways')
        gained = [a['rx_packets'] - b['rx_packets'] for a, b in zip(after, before)]
        t.ok(min(gained[:pairs]) > 0 and not any(gained[pairs:]),
             f'{pairs} of {PAIRS} pairs: flows are spread over all that the container started and no other', str(gained))
        t.equal({q['worker_cpu'] for q in after[:pairs]}, {0, 1} if pairs > 1 else {after[0]['worker_cpu']},
                f'{pairs} of {PAIRS} pairs: both workers have some')
        t.equal(drops(after) - drops(before), 0, f'{pairs} of {PAIRS} pairs: the switch drops nothing')
    wait_for(lambda: all(q['state'] == 'drain' for q in queues(d)), 10, 'the container to be gone')


def all_pairs(t, d):
    """As many as can be offered: more than DPDK's own front end knows how to use."""
    with Frontend(d.dir + '/web0.sock', queues=PAIRS, memory=(64 << 20,)) as fe:
        fe.start(DEFAULT_FEATURES | NET_MQ)
        for ring in fe.rx:
            ring.post(size=2176)
        counts = [0] * PAIRS

        def take():
            """A pair that begins copied is mapped once it has buffers: so they are posted again all the time."""
            for n, ring in enumerate(fe.rx):
                counts[n] += len(ring.poll())
            return min(counts) > 0
        wait_for(lambda: (take(), all(q['state'] == 'mapped' for q in queues(d)))[1], 20,
                 lambda: f'{PAIRS} pairs to be mapped: {[q["state"] for q in queues(d)]}')
        counts = [0] * PAIRS
        wait_for(take, 20, lambda: f'a packet on each of {PAIRS} pairs: {counts}')
        t.ok(True, f'{PAIRS} of {PAIRS} pairs: each is mapped and receives')


def check(t, mode, **keys):
    with Daemon(config(**keys)) as d:
        for pairs in (MAX_TESTPMD, 3, 5) if mode == 'mapped' else (5,):
            run_pairs(t, d, pairs, mode)
        if mode == 'mapped':
            all_pairs(t, d)
        t.equal(d.telemetry('/vfring/containers,web0')['resets'], 0, f'{mode}: nobody was reset')
        stats = d.telemetry('/simvf/stats,net_simvf0') or {}
        t.equal(stats.get('iommu_faults', stats.get('sim_iommu_faults', 0)), 0, f'{mode}: no DMA where none was allowed')


with Tap() as t:
    t.run(check, t, 'mapped', name='16 pairs, mapped')
    t.run(check, t, 'copied', mapping='off', name='16 pairs, copied')
sys.exit(t.status)
