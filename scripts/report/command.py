# SPDX-License-Identifier: MIT
"""The command: options, and what is written where."""
import argparse
import contextlib
import json
import os
import re
import stat
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone

from .exports import csv_ends, otel_ends, prometheus
from .figures import KEYS, Report, figures
from .lanes import Lanes, connection, gather
from .page import page
from .reader import Files, Reader
from .schema import EPOCH, TRUNCATED, VERDICTS
from .text import text_report
from .words import clean, fail

USAGE = '''Usage: closenotify-report [OPTION]... FILE...
Tell from the JSON log of closenotify who truncates whom: totals, the worst
programs, peers and call sites, and when. FILE may be compressed by gzip; -
is standard input. Without an option of the first group it prints text.

      --connection ID    draw one connection, both sides if their records are
                         there; HOST/ID if several hosts have it
      --html FILE        one page to look at, complete in itself; - for stdout
      --csv              the ends of connections, a line each
      --prometheus       counters for node exporter's textfile collector
      --otel             the same as OpenTelemetry log records, OTLP in JSON
      --json             the figures of the report, one object

      --since TIME       only what is as late as TIME, or later
      --until TIME       only what is earlier than TIME
      --program GLOB     only programs of that name
      --verdict WORD     only ends with that verdict, or truncated for all
                         three of that kind; may be repeated
      --top N            so many of the worst of each kind (10; html: 200)
      --peers            with --prometheus: the worst peers as well
  -o, --output FILE      write to FILE, which changes at once and as a whole
  -h, --help             print this help
  -V, --version          print the version

TIME is UTC: 2026-11-21, 2026-11-21T12:00, 2026-11-21T12:00:00.5Z, or so long
ago: 90s, 30m, 2h, 7d.

Exit status: 0 no truncation found, 1 truncations found, 2 usage or failure.'''


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        fail(f"{message}; try 'closenotify-report --help'")


def moment_of(text):
    """Microseconds since 1970 of what a person writes."""
    ago = re.fullmatch(r'([0-9]{1,9})([smhd])', text)
    if ago:
        seconds = int(ago.group(1)) * {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[ago.group(2)]
        return time.time_ns() // 1000 - seconds * 1000000
    date, clock = r'([0-9]{4})-([0-9]{2})-([0-9]{2})', r'([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?'
    parts = re.fullmatch(f'{date}(?:[T ]{clock})?Z?', text)
    try:
        numbers = [int(part or 0) for part in parts.groups()[:6]]
        moment = datetime(*numbers, tzinfo=timezone.utc) - EPOCH
        return moment // timedelta(microseconds=1) + int((parts.group(7) or '').ljust(6, '0'))
    except (AttributeError, ValueError):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no time; 2026-11-21, 2026-11-21T12:00, 2026-11-21T12:00:00.5Z, 90s, 30m, 2h, 7d are accepted"
        ) from None


def top_of(text):
    if re.fullmatch('[0-9]{1,9}', text) and 1 <= int(text) <= KEYS:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not accepted; 1 to {KEYS} is")


def verdicts_of(text):
    if text == 'truncated':
        return TRUNCATED
    if text in VERDICTS:
        return (text,)
    raise argparse.ArgumentTypeError(f"'{text}' is not accepted; truncated, {', '.join(VERDICTS)} are")


def arguments(words):
    parser = Arguments(prog='closenotify-report', add_help=False, allow_abbrev=False)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument('--connection', metavar='ID')
    kinds.add_argument('--html', metavar='FILE')
    kinds.add_argument('--csv', action='store_true')
    kinds.add_argument('--prometheus', action='store_true')
    kinds.add_argument('--otel', action='store_true')
    kinds.add_argument('--json', action='store_true')
    parser.add_argument('--since', type=moment_of, metavar='TIME')
    parser.add_argument('--until', type=moment_of, metavar='TIME')
    parser.add_argument('--program', metavar='GLOB')
    parser.add_argument('--verdict', type=verdicts_of, action='append', metavar='WORD')
    parser.add_argument('--top', type=top_of, metavar='N')
    parser.add_argument('--peers', action='store_true')
    parser.add_argument('-o', '--output', metavar='FILE')
    parser.add_argument('-h', '--help', action='store_true')
    parser.add_argument('-V', '--version', action='store_true')
    parser.add_argument('files', nargs='*', metavar='FILE')
    options = parser.parse_intermixed_args(words)
    options.verdict = {word for words in options.verdict or () for word in words}
    if options.help or options.version:
        return options
    if not options.files:
        parser.error('no FILE is given, - reads standard input')
    if options.files.count('-') > 1:
        parser.error('standard input (-) can be read once')
    if options.peers and not options.prometheus:
        parser.error('--peers goes with --prometheus')
    if options.html is not None:
        if options.output is not None and options.html != '-':
            parser.error('--html and --output name a FILE each')
        options.output = options.output or options.html
    return options


@contextlib.contextmanager
def output(name):
    """Where to write: stdout, or a file that appears under its name when it is whole."""
    if name in (None, '-'):
        if sys.stdout is None:
            fail('standard output is closed')
        sys.stdout.reconfigure(errors='backslashreplace')
        yield sys.stdout
        sys.stdout.flush()
        return
    target, new = os.path.realpath(name), None
    try:
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):  # a device or pipe can't be replaced
            with open(target, 'w', encoding='utf-8', errors='backslashreplace', newline='') as out:
                yield out
            return
        handle, new = tempfile.mkstemp(prefix='.closenotify-report.', dir=os.path.dirname(target))
        with open(handle, 'w', encoding='utf-8', errors='backslashreplace', newline='') as out:
            yield out
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(out.fileno(), 0o666 & ~mask)
        os.replace(new, target)
        new = None
    except OSError as error:
        fail(f'{name}: {error.strerror or error}')
    finally:
        if new is not None:
            with contextlib.suppress(OSError):
                os.unlink(new)


def main(words, version='unknown'):
    """The exit status."""
    options = arguments(words)
    if options.help or options.version:
        with output(None) as out:
            out.write((USAGE if options.help else f'closenotify-report {version}') + '\n')
        return 0
    reader = Reader(Files(options.files, options.connection is not None or options.html is not None), options)
    if options.connection is not None:
        lanes, truncated = connection(reader, options.connection)
        with output(options.output) as out:
            out.write(lanes.text())
        return 1 if truncated else 0
    if options.csv or options.otel:
        with output(options.output) as out:
            truncated = (csv_ends if options.csv else otel_ends)(reader, out)
        return 1 if truncated else 0
    report = Report().read(reader)
    top = options.top or (KEYS if options.json else 200 if options.html else 10)
    f = figures(report, reader, top)
    drawn = []
    if options.html:
        shown = set()
        for key, (ours, theirs) in gather(reader.files, report.sample).items():
            if key not in shown and ours:  # once, though both sides may be among the sample
                drawn.append((report.sample[key][0], Lanes(clean('/'.join(key)), ours, theirs)))
                shown.update((record['host'], record['id']) for record, _ in theirs)
    with output(options.output) as out:
        if options.json:
            out.write(json.dumps(f, indent=1).replace('\x7f', '\\u007f') + '\n')
        elif options.prometheus:
            prometheus(report, reader, out, top, options.peers)
        elif options.html:
            page(f, drawn, f['truncated'] - len(drawn), out)
        else:
            text_report(f, out)
    return 1 if f['truncated'] or any(word in TRUNCATED for word in f['summaries_alone']) else 0


