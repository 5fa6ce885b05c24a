# SPDX-License-Identifier: MIT
"""The files, their lines, and the records that the filters let pass."""
import contextlib
import fnmatch
import gzip
import os
import re
import select
import shutil
import stat
import sys
import tempfile
import time
import zlib

from .schema import TEXT_FORMAT, Broken, Strange, understood
from .words import clean, fail, say

LONGEST = 1 << 14  # bytes of a line; the library writes fewer than 4,096
NAMED = 5  # broken lines that are told by name


def unwritten(name):
    """Whether it is a FIFO that nobody has opened to write, so that open() will wait. A pipe of the shell's, <(...), is not."""
    try:
        if not stat.S_ISFIFO(os.stat(name).st_mode):
            return False
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return not poll.poll(0) and os.read(fd, 1) == b''
    except BlockingIOError:  # somebody has, and has not written yet
        return False
    finally:
        os.close(fd)


class Files:
    """The files, as often as they are wanted, with a progress bar if stderr is a terminal."""

    def __init__(self, names, again):
        """again: they are read several times, so a pipe is copied first."""
        self.names, self.held, self.size, self.done = names, {}, 0, 0
        self.bar, self.told, self.drawn = sys.stderr is not None and sys.stderr.isatty(), 0.0, False
        self.what = 'reading'
        for name in names:
            try:
                if name != '-' and unwritten(name):
                    say(f'{name} is a FIFO: waits until somebody writes to it')
                raw = open(0 if name == '-' else name, 'rb', closefd=name != '-')
                if raw.isatty():
                    say(f'{name} is a terminal: reads lines until Ctrl-D')
                if again and not raw.seekable():
                    raw = self.spooled(raw)
                if raw.seekable():
                    self.size += os.fstat(raw.fileno()).st_size
                if name == '-' or not os.path.isfile(name):  # what can't be opened again
                    self.held[name] = (raw, raw.tell() if raw.seekable() else 0)
                else:
                    raw.close()
            except OSError as error:
                fail(f'{name}: {error.strerror or error}')

    @staticmethod
    def spooled(raw):
        copy = tempfile.TemporaryFile()
        shutil.copyfileobj(raw, copy)
        copy.seek(0)
        return copy

    @contextlib.contextmanager
    def open(self, name):
        if name not in self.held:
            with open(name, 'rb') as raw:
                yield raw
            return
        raw, start = self.held[name]
        if raw.seekable():
            raw.seek(start)
        yield raw

    def lines(self):
        """Yields (name, number, line); line is None where one is too long or what follows can't be read, and then number
        may be a text that says so."""
        self.done, finished = 0, 0
        for name in self.names:
            number = 0
            try:
                with self.open(name) as raw:
                    stream = raw
                    if raw.peek(2)[:2] == b'\x1f\x8b':
                        stream = gzip.GzipFile(fileobj=raw)
                    readline = stream.readline
                    while True:
                        line = readline(LONGEST)
                        if not line:
                            break
                        number += 1
                        if len(line) == LONGEST and line[-1] != 10:
                            while line and line[-1] != 10:
                                line = readline(LONGEST)
                            line = None
                        yield name, number, line
                        if self.bar and not number & 1023:
                            self.done = finished + (raw.tell() if raw.seekable() else 0)
                            self.progress(number)
                    if raw.seekable():
                        finished += raw.tell()
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                yield name, number + 1, f'compressed data is broken: {error}'
            except OSError as error:
                self.clear()
                fail(f'{name}: {error.strerror or error}')
        self.clear()

    def progress(self, number):
        now = time.monotonic()
        if now - self.told < 0.1:
            return
        self.told, self.drawn = now, True
        if self.size:
            part = min(self.done / self.size, 1)
            sys.stderr.write(f'\r{self.what} [{"#" * int(part * 30):30}] {part:4.0%}')
        else:
            sys.stderr.write(f'\r{self.what}: {number:,} lines')
        sys.stderr.flush()

    def clear(self):
        if self.drawn:
            sys.stderr.write('\r\033[K')
            sys.stderr.flush()
        self.drawn = False


class Reader:
    """The records of the files that the filters let pass. Counts what is broken or not understood."""

    def __init__(self, files, options):
        self.files, self.options = files, options
        self.lines = self.broken = self.as_text = 0
        self.first_broken, self.strange = [], {}

    def records(self):
        """Yields (record, microseconds since 1970). Fails where there are lines and none is a record."""
        options = self.options
        since, until = options.since, options.until
        program = re.compile(fnmatch.translate(options.program)).match if options.program is not None else None
        verdicts = options.verdict
        for name, number, line in self.files.lines():
            self.lines += 1
            try:
                if type(line) is not bytes:
                    raise Broken(line or f'longer than {LONGEST:,} bytes')
                record, moment = understood(line)
            except Broken as error:
                self.broken += 1
                self.as_text += str(error) == TEXT_FORMAT
                if len(self.first_broken) < NAMED:
                    self.first_broken.append({'file': clean(name), 'line': number, 'why': clean(str(error))})
                continue
            except Strange as error:
                what = clean(str(error))
                if what not in self.strange and len(self.strange) >= 20:
                    what = 'others'
                self.strange[what] = self.strange.get(what, 0) + 1
                continue
            if since is not None and moment < since or until is not None and moment >= until:
                continue
            if program and not program(record['program']):
                continue
            if verdicts and record['event'] == 'end' and record['verdict'] not in verdicts:
                continue
            yield record, moment
        if self.lines and self.broken == self.lines:
            self.refuse()

    def refuse(self):
        first = self.first_broken[0]
        fail(f'{first["file"]}: the text format is not read; log with json:FILE' if self.as_text else
             f'no line is a record; {first["file"]}:{first["line"]}: {first["why"]}')


ID_IN_LINE = re.compile(rb'"id"\s*:\s*"([^"]*)"').search
LOCAL_IN_LINE = re.compile(rb'"local"\s*:\s*"([^"]*)"').search


def quick_records(files, looked_for, wanted):
    """Records of lines in which a value was found that is wanted; the others are not even decoded."""
    for _, _, line in files.lines():
        if type(line) is not bytes:
            continue
        found = looked_for(line)
        if found and found.group(1) in wanted:
            with contextlib.suppress(Broken, Strange):
                yield understood(line)
