# SPDX-License-Identifier: MIT
"""The figures as text."""
import shutil
import sys
import textwrap

from .figures import KEYS
from .schema import FAULTS, VERDICTS
from .words import amount, clean, count_of, duration, percent, plain

WIDTH = 110  # unless a terminal is narrower


def notes(f):
    """What else there is to say, a sentence each."""
    lines = []
    if f['lost']:
        lines.append(f'{count_of(f["lost"], "record")} could not be logged: the figures are that much too low')
    if f['broken']['lines']:
        lines.append(f'{count_of(f["broken"]["lines"], "broken line")}, left out:')
        lines += [f'  {place["file"]}:{place["line"]}: {place["why"]}' for place in f['broken']['first']]
        if f['broken']['lines'] > len(f['broken']['first']):
            lines.append('  ...')
    for what, number in sorted(f['not_understood'].items()):
        lines.append(f'{count_of(number, "line")} not understood ({what})')
    for name, title in (('programs', 'programs'), ('peers', 'peers'), ('call_sites', 'call sites')):
        if f[name]['others']:
            poured = count_of(f[name]['others']['connections'], 'connection')
            lines.append(f'more than {KEYS:,} different {title}: {poured} of the lesser ones '
                         'are counted together; the figures of the others may be too low')
    if f['summaries_alone'].get('connections'):
        words = ', '.join(f'{plain(word)} {number:,}' for word, number in sorted(f['summaries_alone'].items())
                          if word != 'connections')
        lines.append(f'programs of which only summaries are logged ended '
                     f'{count_of(f["summaries_alone"]["connections"], "connection")} more: {clean(words)}')
    for warning in f['warnings']:
        times = '' if warning['count'] == 1 else f' ({warning["count"]:,} times)'
        lines.append(f'{warning["program"]} warns: {warning["message"]}{times}')
    return lines


def share(f, verdict):
    """Of the connections; what is held elsewhere has not ended and is none."""
    return percent(f['verdicts'][verdict], f['connections']) if verdict != 'held_elsewhere' else ''


def span(f):
    if f['from'] is None:
        return ''
    first, last = (f[key][:19].replace('T', ' ') for key in ('from', 'to'))
    return f'{first} to {last[11:] if last[:10] == first[:10] else last} UTC'


def columns(rows, right):
    """Lines of a table; the columns from right on are numbers."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ['  ' + '  '.join(cell.ljust(widths[i]) if i < right else cell.rjust(widths[i])
                             for i, cell in enumerate(row)).rstrip() for row in rows]


def wrapped(text, first, then, width=WIDTH):
    if sys.stdout is not None and sys.stdout.isatty():
        width = max(min(width, shutil.get_terminal_size().columns), 40)
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False) or [first]


def text_report(f, out):
    say = [f'{count_of(f["connections"], "connection")}, {count_of(f["truncated"], "truncated", "truncated")}'
           f'{" (" + percent(f["truncated"], f["connections"]) + ")" if f["truncated"] else ""}; '
           f'{count_of(f["hosts"], "host")}{", " + span(f) if f["from"] else ""}']

    def left_out(table, number):
        rest = len(table['rows']) - number + table['left_out']
        if rest > 0:
            say.append(f'  and {amount(rest)} more')

    if f['verdicts']:
        say += ['', 'How they ended']
        say += columns([(plain(word), amount(number), share(f, word)) for word, number in f['verdicts'].items()], 1)
        say = say[:-len(f['verdicts'])] + [f'{line}  {VERDICTS[word]}' for line, word in
                                           zip(say[-len(f['verdicts']):], f['verdicts'])]
    if f['faults']:
        say += ['', 'What the programs did wrong, repaired or not']
        rows = columns([(plain(word), amount(number)) for word, number in f['faults'].items()], 1)
        say += [f'{row}  {FAULTS[word]}' for row, word in zip(rows, f['faults'])]
    if f['next']:
        say += ['', 'What to do next']
        for step in f['next']:
            say += wrapped(step['text'], '  ', '    ')
    if f['programs']['rows']:
        say += ['', 'Programs, the worst first']
        say += columns([('program', 'role', 'connections', 'cut by it', 'by peer', 'repaired', 'failed')] + [
            (p['program'], p['role'], *(amount(p[key]) for key in (
                'connections', 'truncated_by_us', 'truncated_by_peer', 'repaired', 'failed')))
            for p in f['programs']['rows']], 2)
        left_out(f['programs'], len(f['programs']['rows']))
    peers = [peer for peer in f['peers']['rows'] if peer['text']]
    if peers:
        say += ['', 'Peers that truncate, the worst first']
        for peer in peers:
            say += wrapped(peer['text'], '  ', '    ')
        if len(peers) == len(f['peers']['rows']) and f['peers']['left_out']:
            say.append(f'  and more among {amount(f["peers"]["left_out"])} other peers')
    if f['call_sites']['rows']:
        say += ['', 'Call sites that leave out or spoil the end, the worst first']
        for site in f['call_sites']['rows']:
            by = f'by {site["caller"]}' if site['caller'] else 'the caller is not known'
            say += wrapped(f'{site["text"]}; {by}', '  ', '    ')
        left_out(f['call_sites'], len(f['call_sites']['rows']))
    say += timeline_lines(f['timeline'])
    if notes(f):
        say += ['', 'To note']
        for line in notes(f):
            say += wrapped(line.strip(), '    ' if line.startswith(' ') else '  ', '    ')
    out.write('\n'.join(say) + '\n')


def bucket_time(bucket, width):
    """As much of the time as the width of a bucket needs."""
    return bucket['time'].replace('T', ' ')[:10 if width >= 86400000000 else 16 if width >= 60000000 else
                                            19 if width >= 1000000 else 23]


def timeline_lines(timeline):
    buckets, width = timeline['buckets'], timeline['bucket_us']
    if not buckets:
        return []
    most_connections = max(bucket['connections'] for bucket in buckets)
    lines = ['', f'When: each line is {duration(width)}, # truncated, . not']
    empty = 0
    for bucket in buckets:
        if not bucket['connections']:
            empty += 1
            continue
        if empty:
            lines.append(f'  ({count_of(empty, "line")} without connections)')
            empty = 0
        # Whatever is there has at least one mark.
        bar = max(round(50 * bucket['connections'] / most_connections), 1)
        bad = min(max(round(50 * bucket['truncated'] / most_connections), 1), bar) if bucket['truncated'] else 0
        if bad == bar and bucket['truncated'] < bucket['connections']:
            bar += 1
        lines.append(f'  {bucket_time(bucket, width)}  {("#" * bad).ljust(bar, "."):51} '
                     f'{bucket["truncated"]:,} of {bucket["connections"]:,}')
    return lines
