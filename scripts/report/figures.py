# SPDX-License-Identifier: MIT
"""Counting, and the figures as one object.

A connection is counted once per side that has a log. An end with the verdict held_elsewhere is none: it is counted among
the verdicts, and in no other figure, so that all shares are of connections."""
import sys

from .schema import FAULTS, TRUNCATED, VERDICTS, bare, time_text
from .words import clean, fault_sentence, peer_sentence, peers_sentence, site_sentence

KEYS = 10000  # of each table that are kept for certain; beyond twice as many the lesser half is poured together
HEAVY = 16000000  # bytes of texts in the keys of a table; beyond that the lesser half is poured together as well
SAMPLE = 40  # connections drawn in the page
ALIKE = 3  # of them, how many of one kind
PROGRAMS = 20  # named of one peer

class Row:
    """What was counted for one key."""
    __slots__ = ('connections', 'verdicts', 'faults', 'peer_ends', 'about', 'programs')

    def __init__(self):
        self.connections, self.verdicts, self.faults, self.peer_ends = 0, {}, {}, {}
        self.about, self.programs = None, ()

    def count(self, verdict, fault):
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        if verdict == 'held_elsewhere':
            return
        self.connections += 1
        if fault != 'none':
            self.faults[fault] = self.faults.get(fault, 0) + 1

    def pour(self, other):
        self.connections += other.connections
        for mine, its in ((self.verdicts, other.verdicts), (self.faults, other.faults)):
            for word, number in its.items():
                mine[word] = mine.get(word, 0) + number

    def by_us(self):
        return self.verdicts.get('truncated_by_us', 0) + self.verdicts.get('truncated_by_both', 0)

    def by_peer(self):
        return self.verdicts.get('truncated_by_peer', 0) + self.verdicts.get('truncated_by_both', 0)

    def truncated(self):
        return self.by_us() + self.verdicts.get('truncated_by_peer', 0)

    def ends(self):
        return self.connections + self.verdicts.get('held_elsewhere', 0)


def weight(*texts):
    """Bytes of memory, of those that may be many."""
    return sum(sys.getsizeof(text) for text in texts if type(text) is str)


class Table:
    """Rows by key, the worst of them if there are too many keys: then the lesser half is poured into one row, others,
    and what is counted of a key that was poured away and comes again is too low."""

    def __init__(self, worse):
        self.rows, self.others, self.worse, self.weight = {}, Row(), worse, 0

    def row(self, key):
        row = self.rows.get(key)
        if row is None:
            if len(self.rows) >= 2 * KEYS or self.weight > HEAVY:
                kept = self.worst()
                half = len(kept) // 2
                for _, lesser in kept[half:]:
                    self.others.pour(lesser)
                self.rows = dict(kept[:half])
                self.weight = sum(weight(*key, row.about, *row.programs) for key, row in self.rows.items())
            row = self.rows[key] = Row()
            self.weight += weight(*key)
        return row

    def note(self, row, value):
        """Notes what all that is counted in the row have in common: a text, '' if they differ."""
        if row.about is None:
            row.about = value
            self.weight += weight(value)
        elif row.about != value:
            row.about = ''

    def name(self, row, program):
        """Notes a program of the row."""
        if program not in row.programs and len(row.programs) < PROGRAMS:
            row.programs += (program,)
            self.weight += weight(program)

    def worst(self):
        return sorted(self.rows.items(), key=lambda item: self.worse(item[1]))


def worst_by_us(row):
    count = row.verdicts.get
    return (-count('truncated_by_us', 0) - count('truncated_by_both', 0), -sum(row.faults.values()),
            -count('truncated_by_peer', 0), -row.connections)


def worst_by_peer(row):
    count = row.verdicts.get
    return (-count('truncated_by_peer', 0) - count('truncated_by_both', 0), -count('truncated_by_us', 0), -row.connections)


def most(row):
    return -row.connections


class Timeline:
    """Connections and truncations over time, in buckets that grow with the time they have to hold."""
    MOST = 1000
    WIDTHS = [1000, 10000, 100000] + [1000000 * seconds for seconds in (
        1, 5, 15, 60, 300, 900, 3600, 10800, 21600, 43200, 86400)]  # each divides the next

    def __init__(self):
        self.width, self.buckets = self.WIDTHS[0], {}

    def add(self, moment, truncated):
        bucket = self.buckets.get(moment // self.width)
        if bucket is None:
            bucket = self.buckets[moment // self.width] = [0, 0]
            if len(self.buckets) > self.MOST:
                self.buckets[moment // self.width][0] += 1
                self.buckets[moment // self.width][1] += truncated
                self.widen()
                return
        bucket[0] += 1
        bucket[1] += truncated

    def widen(self):
        wider = next((width for width in self.WIDTHS if width > self.width), 2 * self.width)
        buckets = {}
        for start, (connections, truncated) in self.buckets.items():
            bucket = buckets.setdefault(start * self.width // wider, [0, 0])
            bucket[0] += connections
            bucket[1] += truncated
        self.width, self.buckets = wider, buckets

    def shown(self, number):
        """At most that many buckets, empty ones between included: (start in microseconds, connections, truncated)."""
        if not self.buckets:
            return []
        while max(self.buckets) - min(self.buckets) >= number:
            self.widen()
        return [(start * self.width, *self.buckets.get(start, (0, 0)))
                for start in range(min(self.buckets), max(self.buckets) + 1)]


def peer_of(record):
    """The peer as it is counted: a server by address and port, a client by address alone, for its port is chance."""
    peer = record['peer']
    if peer is None:
        return 'unknown'
    return peer if record['role'] == 'client' else peer.rpartition(':')[0] or peer


class Report:
    """All the figures."""

    def __init__(self):
        self.cells, self.peers, self.sites = Table(worst_by_us), Table(worst_by_peer), Table(worst_by_us)
        self.timeline, self.warnings, self.summaries = Timeline(), Table(most), Summaries()
        self.first = self.last = None
        self.lost, self.hosts, self.sample, self.kinds = 0, set(), {}, {}

    def read(self, reader):
        for record, moment in reader.records():
            if self.first is None or moment < self.first:
                self.first = moment
            if self.last is None or moment > self.last:
                self.last = moment
            if len(self.hosts) < KEYS:
                self.hosts.add(hash(record['host']))  # the hash alone: a name may be long
            event = record['event']
            if event == 'end':
                self.end(record, moment)
            elif event == 'lost':
                self.lost += record['lost']
            elif event == 'summary':
                self.summaries.add(record)
            elif event == 'warning':
                self.warnings.row((record['program'], record['message'])).count('warning', 'none')
        self.total, self.programs = Row(), Table(worst_by_us)
        for (program, role, _, _), row in self.cells.rows.items():
            self.programs.row((program, role)).pour(row)
            self.total.pour(row)
        self.programs.others.pour(self.cells.others)
        self.total.pour(self.cells.others)
        return self

    def end(self, record, moment):
        program, role, verdict, fault = record['program'], record['role'], record['verdict'], record['fault']
        truncated = verdict in TRUNCATED
        peer = peer_of(record)
        self.cells.row((program, role, verdict, fault)).count(verdict, fault)
        self.summaries.recorded(record)
        if verdict == 'held_elsewhere':
            return
        row = self.peers.row((peer, role))
        row.count(verdict, fault)
        if role == 'client':
            self.peers.note(row, record['sni'])
        self.peers.name(row, program)
        if truncated and verdict != 'truncated_by_us':
            row.peer_ends[record['peer_end']] = row.peer_ends.get(record['peer_end'], 0) + 1
        self.timeline.add(moment, truncated)
        if fault != 'none' or truncated and verdict != 'truncated_by_peer':
            row = self.sites.row((program, role, record['caller'], record['cause'], fault))
            row.count(verdict, fault)
            self.sites.note(row, peer)
        if truncated:
            # A few of each kind, so that the page shows many kinds.
            kind = (verdict, program, record['caller'], fault) if verdict != 'truncated_by_peer' else (verdict, peer)
            alike = self.kinds.get(kind, 0)
            if len(self.sample) < SAMPLE and alike < ALIKE:
                self.kinds[kind] = alike + 1
                self.sample[(record['host'], record['id'])] = (bare(record), moment)


class Summaries:
    """Summary records count the same ends once more, all of a process so far. So they are not added to anything; only
    where a program on a host has no end records at all do they tell something new, and that is told apart. Of a host and
    a program the hash is kept, for the names may be long."""

    def __init__(self):
        self.seen, self.latest, self.past = set(), {}, {}

    def recorded(self, end):
        if len(self.seen) < KEYS:
            self.seen.add(hash((end['host'], end['program'])))

    def add(self, record):
        key = (hash((record['host'], record['program'])), record['pid'])
        before = self.latest.pop(key, None)
        if before and before['connections'] > record['connections']:
            self.keep(key, before)  # a later process with the same number
        if len(self.latest) >= KEYS:
            oldest = next(iter(self.latest))
            self.keep(oldest, self.latest.pop(oldest))
        self.latest[key] = {'connections': record['connections'], **record['verdicts']}

    def keep(self, key, counts):
        if key[0] in self.past or len(self.past) < KEYS:
            sums = self.past.setdefault(key[0], {})
            for word, number in counts.items():
                sums[word] = sums.get(word, 0) + number

    def alone(self):
        """The sums by word, of programs without end records."""
        for key in list(self.latest):
            self.keep(key, self.latest.pop(key))
        sums = {}
        for key, counts in self.past.items():
            if key not in self.seen:
                for word, number in counts.items():
                    sums[word] = sums.get(word, 0) + number
        return sums


# --- the figures as one object: what --json prints, and all that text and page show ---

def next_steps(report):
    """What to do, for each fault and for the peers; the most frequent first."""
    worst = {}
    for (program, _, caller, cause, fault), row in report.sites.rows.items():
        places, most_of, _ = worst.get(fault, (0, 0, None))
        site = (program, caller, cause) if row.connections > most_of else worst[fault][2]
        worst[fault] = (places + 1, max(most_of, row.connections), site)
    steps = []
    for fault, number in sorted(report.total.faults.items(), key=lambda item: -item[1]):
        places, _, site = worst.get(fault, (0, 0, None))
        steps.append({'what': fault, 'connections': number, 'text': fault_sentence(fault, number, places, site)})
    peers = [(key[0], row.by_peer()) for key, row in report.peers.rows.items() if row.by_peer()]
    if peers:
        number = report.total.by_peer()
        steps.append({'what': 'truncated_by_peer', 'connections': number,
                      'text': peers_sentence(number, len(peers), clean(max(peers, key=lambda peer: peer[1])[0]))})
    return steps


def figures(report, reader, top):
    def counted(row):
        return {'connections': row.connections, 'truncated_by_us': row.by_us(), 'truncated_by_peer': row.by_peer(),
                'repaired': row.verdicts.get('repaired', 0), 'failed': row.verdicts.get('failed', 0),
                'verdicts': row.verdicts, 'faults': row.faults}

    def listed(table, entry):
        rows = table.worst()
        others = None
        if table.others.ends():
            others = counted(table.others)
        return {'rows': [entry(key, row) for key, row in rows[:top]], 'left_out': max(len(rows) - top, 0),
                'others': others}

    def program(key, row):
        return {'program': clean(key[0]), 'role': key[1], **counted(row)}

    def peer(key, row):
        sni = clean(row.about or '')
        return {'peer': clean(key[0]), 'role': {'client': 'server', 'server': 'client'}.get(key[1], 'unknown'),
                'sni': sni, **counted(row), 'peer_ends': row.peer_ends, 'programs': sorted(map(clean, row.programs)),
                'text': peer_sentence(clean(key[0]), sni, row.peer_ends, row.by_peer(), row.connections)
                if row.by_peer() else ''}

    def site(key, row):
        name, role, caller, cause, fault = key
        return {'program': clean(name), 'role': role, 'caller': clean(caller or ''), 'cause': cause, 'fault': fault,
                'peer': clean(row.about or ''), **counted(row),
                'text': site_sentence(clean(name), role, clean(row.about or ''), row.connections, cause, fault,
                                      row.verdicts.get('repaired', 0))}

    alone = report.summaries.alone()
    buckets = report.timeline.shown(60)
    return {
        'v': 1,
        'lines': reader.lines,
        'from': None if report.first is None else time_text(report.first),
        'to': None if report.last is None else time_text(report.last),
        'hosts': len(report.hosts),
        'connections': report.total.connections,
        'truncated': report.total.truncated(),
        'verdicts': {word: report.total.verdicts[word] for word in VERDICTS if word in report.total.verdicts},
        'faults': {word: report.total.faults[word] for word in FAULTS if word in report.total.faults},
        'next': next_steps(report),
        'programs': listed(report.programs, program),
        'peers': listed(report.peers, peer),
        'call_sites': listed(report.sites, site),
        'timeline': {
            'bucket_us': report.timeline.width,
            'buckets': [{'time': time_text(start), 'connections': connections,
                         'truncated': truncated} for start, connections, truncated in buckets],
        },
        'lost': report.lost,
        'warnings': [{'program': clean(key[0]), 'message': clean(key[1]), 'count': row.ends()}
                     for key, row in report.warnings.worst()[:top]],
        'summaries_alone': alone,
        'broken': {'lines': reader.broken, 'first': reader.first_broken},
        'not_understood': reader.strange,
    }
