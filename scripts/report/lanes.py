# SPDX-License-Identifier: MIT
"""One connection, drawn as two columns."""
import re
import textwrap

from .reader import ID_IN_LINE, LOCAL_IN_LINE, quick_records
from .schema import ACTIONS, AFTERS, FAULTS, TRUNCATED, VERDICTS, bare
from .text import wrapped
from .words import clean, count_of, elapsed, fail, plain

CALLS = 500  # records of a side that are drawn, if one connection is; of many, fewer
MANY_CALLS = 100
HOSTS = 100  # that have the same id, of which one is to be chosen
# The program's own, by OpenSSL and GnuTLS.
GOODBYES = ('SSL_shutdown', 'gnutls_bye', 'gnutls_alert_send')
FREES = ('SSL_free', 'SSL_clear', 'gnutls_deinit')
# What goes over the wire.
PEER_SENT = {'close_notify': 'close_notify', 'fin': 'FIN', 'mid_record': 'FIN in mid-record', 'reset': 'RST',
             'unread': 'FIN', 'unknown': 'its end'}
LIBRARY_SENT = {'close_notify+half_close': 'close_notify, FIN', 'close_notify+linger': 'close_notify, FIN',
                'close_notify': 'close_notify', 'half_close': 'FIN', 'linger': 'FIN'}


class Step:
    """A row of the lanes: when, on whose side, what, by whom, and what goes over the wire, to the other side or back."""
    __slots__ = ('moment', 'side', 'text', 'caller', 'call', 'wire', 'back')

    def __init__(self, moment, side, text, caller=None, call='', wire='', back=False):
        self.moment, self.side, self.text, self.caller = moment, side, text, caller
        self.call, self.wire, self.back = call, wire, back


def main_end(records):
    ends = [pair for pair in records if pair[0]['event'] == 'end']
    return max(ends, key=lambda pair: (pair[0]['verdict'] != 'held_elsewhere', pair[1]), default=(None, None))


def call_step(side, record, moment, pid):
    name, ret, trouble = record['call'], record['ret'], ', '.join(filter(None, (record['error'], record['errno'])))
    took = record['took_us'] or 0
    if name in ('read', 'write'):
        text = f'{name}: {trouble}' if trouble else f'{name} fails'
    elif name == 'handshake':
        text = 'handshake done'
    else:
        returns = ret is not None and name not in FREES
        text = name + ('' if name.endswith(')') else '()') + (f' = {ret}' if returns else '') + (f', {trouble}' if trouble else '')
        moment -= took  # what it sends, it sends at its begin
    if took >= 1000:
        text += f', took {elapsed(took)}'
    if record['pid'] != pid:
        text = f'[{record["pid"]}] {text}'
    return Step(moment, side, clean(text), record['caller'], name if record['pid'] == pid else '')


def steps_of(side, records, alone):
    """The steps of one side. What it sends is told by its own records. If the other side has none (alone), what that
    sent is told by these too, as of the first call that saw it."""
    end, ended = main_end(records)
    pid = (end or records[0][0])['pid']
    steps = [call_step(side, record, moment, pid) for record, moment in records if record['event'] == 'call']
    steps.sort(key=lambda step: step.moment)
    if end is None:
        for step in steps:
            if step.call in GOODBYES and re.search('\\(\\) = [01]\\b', step.text):
                step.wire = 'close_notify'
                break
    else:
        end_steps(side, end, ended, steps)
        if alone and end['peer_end'] in PEER_SENT:
            saw = ('SSL_shutdown() = 1', 'read') if end['peer_end'] == 'close_notify' else ('read',)
            place = next((step for step in steps if step.text.startswith(saw) and '_WANT_' not in step.text), None)
            place = place or next(step for step in steps if step.call == end['cause'])
            steps.insert(steps.index(place), Step(None, side, '', wire=PEER_SENT[end['peer_end']], back=True))
    for record, moment in records:
        if record['event'] == 'end' and record is not end:
            steps.append(Step(moment, side, clean(f'[{record["pid"]}] {record["cause"]}: {plain(record["verdict"])}')))
        elif record['event'] == 'after':
            left = f', {count_of(record["unacknowledged"], "byte")} lost' if record['unacknowledged'] else ''
            steps.append(Step(moment, side, f'closenotify: {AFTERS[record["ended_by"]] or plain(record["ended_by"])}{left}'))
    return steps


def end_steps(side, end, moment, steps):
    """Adds to the calls of one side what they put on the wire, and what the library did."""
    shutdown = next((step for step in steps if step.call in GOODBYES and re.search('= [01]\\b', step.text)), None)
    # The call that ended it is logged as well, or not.
    cause = min((step for step in steps if step.call == end['cause']), default=None,
                key=lambda step: abs(step.moment - moment))
    if cause is None:
        cause = Step(moment, side, end['cause'] + ('' if end['cause'] in ('exit', 'reuse') else '()'), end['caller'],
                     end['cause'])
        place = next((i for i, step in enumerate(steps) if step.moment > moment), len(steps))
        steps.insert(place, cause)
    if end['unread']:
        cause.text += f', {count_of(end["unread"], "byte")} unread'
    if end['did'] == 'close_notify':
        if shutdown is None:
            shutdown = Step(None, side, 'SSL_shutdown()')
            steps.insert(steps.index(cause), shutdown)
        shutdown.wire = 'close_notify'
    fin = None
    if end['cause'] != 'shutdown' and end['our_end'] in ('close_notify', 'fin'):
        fin = next((step for step in steps if step.call.startswith('shutdown(') and re.search('= 0$', step.text)), None)
        if fin:
            fin.wire = 'FIN'
    action, library = end['action'], None
    if action != 'none':
        would = ' would' if end['mode'] == 'observe' else ''
        # What it sends leaves within that call; the record of the end is written afterwards.
        library = Step(cause.moment, side, f'closenotify{would}: {ACTIONS[action] or plain(action)}')
    if end['mode'] == 'fix' and LIBRARY_SENT.get(action):
        library.wire = LIBRARY_SENT[action]
        if fin and library.wire == 'FIN':
            library = None
    elif end['our_end'] == 'reset':
        cause.wire = 'RST'
    elif end['our_end'] not in ('open', 'unknown') and not fin and end['cause'] not in FREES:
        cause.wire = 'FIN'
    if library:
        steps.insert(steps.index(cause) + 1, library)


class Lanes:
    """One connection as it is drawn: titles of both columns, notes, and steps with left or right."""

    def __init__(self, name, ours, theirs, most=MANY_CALLS):
        end, _ = main_end(ours)
        other, _ = main_end(theirs)
        role = end['role'] if end else 'unknown'
        if role == 'unknown' and other:
            role = {'client': 'server', 'server': 'client'}.get(other['role'], 'unknown')
        self.name, self.ours_left = name, role != 'server'
        first = (end or ours[0][0])
        addresses = {True: (end or {}).get('local'), False: (end or {}).get('peer')}
        titles = {
            True: f'{first["program"]}[{first["pid"]}]',
            False: f'{other["program"]}[{other["pid"]}]' if other else 'no records of it',
        }
        names = ('client', 'server') if role != 'unknown' else ('this side', 'the other')
        self.titles = [clean(f'{name}: {titles[mine]} {addresses[mine] or ""}'.rstrip())
                       for name, mine in zip(names, (self.ours_left, not self.ours_left))]
        self.notes = [f'{self.side_name(True)}: {self.told(end)}']
        if other:
            self.notes.append(f'{self.side_name(False)}: {self.told(other)}')
            if other['host'] != end['host']:
                self.notes.append(clean(f'the clocks are those of two hosts, {end["host"]} and {other["host"]}'))
        if not any(record['event'] == 'call' for record, _ in ours):
            self.notes.append('calls are not logged here; CLOSENOTIFY_LEVEL=calls logs each')
        if len(ours) >= most or len(theirs) >= most:
            self.notes.append(f'only the first {most} records of a side are drawn')
        if not self.ours_left:
            self.notes[:len(self.notes) and (2 if other else 1)] = self.notes[:2 if other else 1][::-1]
        steps = steps_of(True, ours, not theirs)
        more = steps_of(False, theirs, False) if theirs else []
        self.steps = self.in_order(steps, more)
        start = next((step.moment for step in self.steps if step.moment is not None), 0)
        self.rows, callers, said = [], {}, set()
        for step in self.steps:
            texts = [step.text] if step.text else []
            if step.caller and step.caller != callers.get(step.side):  # once is enough, as long as it stays the same
                callers[step.side] = step.caller
                texts.append(clean(f'by {step.caller}'))
            left = step.side == self.ours_left
            rightwards = left != step.back
            cut = step.wire.startswith(('FIN', 'RST')) and (rightwards not in said or step.wire != 'FIN')
            if 'close_notify' in step.wire:
                said.add(rightwards)
            self.rows.append(('by then' if step.moment is None else elapsed(step.moment - start), texts if left else [],
                              step.wire, rightwards, [] if left else texts, cut))

    def side_name(self, mine):
        return self.titles[0 if mine == self.ours_left else 1].split(':')[0]

    @staticmethod
    def told(end):
        if end is None:
            return 'no end is logged: it is still up, or its process was killed'
        return (f'{plain(end["verdict"])}, {VERDICTS[end["verdict"]] or plain(end["verdict"])}'
                + (f'; its fault: {FAULTS[end["fault"]] or plain(end["fault"])}' if end['fault'] != 'none' else '')
                + (f' ({clean(end["tls"])})' if end['tls'] else ''))

    @staticmethod
    def in_order(mine, others):
        """Merged by time; a step without one stays before the next that has one."""
        def timed(steps):
            later = None
            for step in reversed(steps):
                later = step.moment if step.moment is not None else later
                yield (later if later is not None else 0, step)
        both = list(timed(mine))[::-1] + list(timed(others))[::-1]
        return [step for _, step in sorted(both, key=lambda pair: pair[0])]

    def text(self, lane=36, middle=26):
        lines = [f'connection {self.name}'] + ['  ' + line for note in self.notes for line in wrapped(note, '', '  ')]
        lines.append('')

        def row(when, left, wire, right):
            return f'{when:>11} | {left:<{lane}} | {wire:<{middle - 2}} | {right}'.rstrip()

        def lines_of(texts):
            return [line for text in texts for line in textwrap.wrap(text, lane, subsequent_indent='  ')]

        heads = [textwrap.wrap(title, lane) for title in self.titles]
        for i in range(max(map(len, heads))):
            lines.append(row('', *(head[i] if i < len(head) else '' for head in heads[:1]), '',
                             heads[1][i] if i < len(heads[1]) else ''))
        rule = '-' * 12 + '+' + '-' * (lane + 2) + '+' + '-' * middle + '+' + '-' * (lane + 2)
        lines.append(rule)
        for when, left, wire, rightwards, right, _ in self.rows:
            arrow = ''
            if wire:
                arrow = f'-- {wire} '.ljust(middle - 3, '-') + '>'
                if not rightwards:
                    arrow = '<' + f' {wire} --'.rjust(middle - 3, '-')
            left, right = lines_of(left), lines_of(right)
            for i in range(max(len(left), len(right), 1)):
                lines.append(row(when if i == 0 else '', left[i] if i < len(left) else '', arrow if i == 0 else '',
                                 right[i] if i < len(right) else ''))
        return '\n'.join(lines) + '\n'


def encoded(text):
    """As a line of the log may have it; what can't be encoded is found in none."""
    return text.encode(errors='surrogatepass')


def gather(files, chosen, most=MANY_CALLS):
    """The records of the chosen connections, {(host, id): (end or None, its time)}, and of their other sides. Returns
    {(host, id): (records, records of the other side)}. Two more passes; keeps only what will be drawn."""
    ends = {key: pair for key, pair in chosen.items() if pair[0] and pair[0]['local'] and pair[0]['peer']
            and 'unix' not in (pair[0]['local'], pair[0]['peer'])}
    mirrored = {}
    for key, (end, _) in ends.items():
        mirrored.setdefault((end['peer'], end['local']), []).append(key)
    others = {}
    files.what = 'looking for the other sides'
    for record, moment in quick_records(files, LOCAL_IN_LINE, {encoded(local) for local, _ in mirrored}):
        if record['event'] != 'end':
            continue
        for key in mirrored.get((record['local'], record['peer']), ()):
            other = (record['host'], record['id'])
            if other != key and overlap(ends[key], (record, moment)):
                best = others.get(key)
                if best is None or better((record, moment), best[1], ends[key]):
                    others[key] = (other, (bare(record), moment))
    records = {key: [] for key in list(chosen) + [other for other, _ in others.values()]}
    files.what = 'collecting calls'
    for record, moment in quick_records(files, ID_IN_LINE, {encoded(name) for _, name in records}):
        found = records.get((record['host'], record.get('id')))
        if found is not None and (len(found) < most or record['event'] == 'end' and len(found) < 2 * most):
            found.append((bare(record), moment))
    return {key: (records[key], records[others[key][0]] if key in others else []) for key in chosen}


def overlap(one, other, slack=2000000):
    """Whether two ends may be of the same connection: were up at the same time, as far as the clocks agree."""
    (end, ended), (record, moment) = one, other
    return (moment - (record['age_us'] or 0) <= ended + slack and ended - (end['age_us'] or 0) <= moment + slack)


def better(candidate, best, end):
    if (candidate[0]['verdict'] == 'held_elsewhere') != (best[0]['verdict'] == 'held_elsewhere'):
        return best[0]['verdict'] == 'held_elsewhere'
    return abs(candidate[1] - end[1]) < abs(best[1] - end[1])


def connection(reader, name):
    """Lanes of the connection of that name, and whether it was truncated."""
    host, _, ident = name.rpartition('/')
    found = {}
    for record, moment in quick_records(reader.files, ID_IN_LINE, {encoded(ident)}):
        if record.get('id') != ident or host and record['host'] != host:
            continue
        key = (record['host'], ident)
        if key not in found and len(found) >= HOSTS:
            continue
        pairs = found.setdefault(key, [])
        if record['event'] == 'end' or not pairs:
            pairs.append((bare(record), moment))
            del pairs[CALLS:]
    if not found:
        next(reader.records(), None)  # says so if nothing is a record
        fail(f'{name}: no such connection in these files')
    if len(found) > 1:
        fail(f'{name}: several hosts have it; take one of ' + ', '.join(sorted(f'{h}/{i}' for h, i in found)))
    key, = found
    ours, theirs = gather(reader.files, {key: main_end(found[key])}, CALLS)[key]
    end, _ = main_end(ours)
    return Lanes(clean(f'{key[0]}/{key[1]}'), ours, theirs, CALLS), end is not None and end['verdict'] in TRUNCATED
