# SPDX-License-Identifier: MIT
"""Plain text of what is shown: numbers, times, and sentences about faults."""
import sys

from .schema import CAUSES, PEER_ENDS

# How a sentence about a call site goes on: program (as role) ... connections ...; by caller
SENTENCES = {
    'none': ('ended', 'without close_notify'),
    'close_without_shutdown': ('{cause}', 'without close_notify'),
    'reset_by_unread_input': ('{cause}', 'with unread input, which makes the kernel send RST'),
    'write_abandoned': ('{cause}', 'in the middle of a write'),
    'killed_by_exit': ('exited over', 'without close_notify'),
    'quiet': ('quietly ended', 'without close_notify: it asked for a quiet shutdown'),
    'abort': ('aborted', 'by RST: it asked for that with SO_LINGER'),
}
# What to do next: in the source of the program, and from outside as long as that is not done.
REMEDIES = {
    'close_without_shutdown': (
        'call SSL_shutdown() (GnuTLS: gnutls_bye()) once before it',
        'run the program under closenotify, which says goodbye for it'),
    'reset_by_unread_input': (
        'call SSL_shutdown() and shutdown(SHUT_WR) before it, and read until the peer has ended',
        'run the program under closenotify, which reads away what is unread'),
    'write_abandoned': (
        'repeat SSL_write() with the same bytes after SSL_ERROR_WANT_WRITE until all are written, before it',
        'nothing helps from outside, for the program alone has the rest'),
    'killed_by_exit': (
        'call SSL_shutdown() for each open connection before it',
        'run the program under closenotify, with CLOSENOTIFY_EXIT=always if its exit status is not 0'),
    'quiet': (
        'take out SSL_CTX_set_quiet_shutdown() or SSL_set_shutdown(), and call SSL_shutdown() before it',
        'run the program under closenotify with CLOSENOTIFY_QUIET=override'),
    'abort': (
        'take out SO_LINGER with 0 seconds, unless the reset is wanted',
        'nothing is done from outside, for the program asked for it'),
}
NO_REMEDY = ('see closenotify-log(5) for what it means', 'run the program under closenotify')


def plain(word):
    return word.replace('_', ' ')


def clean(text):
    """Text as it may be shown: what is no printable character becomes \\xNN. Keeps escapes from a terminal, and marks
    that turn the direction of text, lone surrogates and line breaks from everything else."""
    if text.isprintable():
        return text
    return ''.join(c if c.isprintable() else
                   '\\x%02x' % ord(c) if ord(c) < 256 else '\\u%04x' % ord(c) if ord(c) < 65536 else '\\U%08x' % ord(c)
                   for c in text)


def amount(number):
    return f'{number:,}'


def count_of(number, what, plural=None):
    return f'{number:,} {what if number == 1 else plural or what + "s"}'


def percent(part, whole):
    return f'{100 * part / whole:.1f} %' if whole else ''


def duration(microseconds):
    """A width of the timeline, in words."""
    for unit, size in (('day', 86400000000), ('hour', 3600000000), ('minute', 60000000), ('second', 1000000)):
        if microseconds >= size:
            return count_of(microseconds // size, unit)
    return f'{microseconds // 1000} ms'


def elapsed(microseconds):
    if microseconds < 10000:
        return f'{microseconds:,} us'
    return f'{microseconds / 1000:,.1f} ms' if microseconds < 10000000 else f'{microseconds / 1000000:,.1f} s'


def say(message):
    """One line on standard error."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(f'closenotify-report: {clean(message)}\n')
            sys.stderr.flush()
        except OSError:  # nobody to tell
            pass


def fail(message):
    """Ends with status 2 and one line."""
    say(message)
    sys.exit(2)


def site_sentence(program, role, peer, connections, cause, fault, repaired):
    verb, how = SENTENCES.get(fault, ('{cause}', f'with the fault {plain(fault)}'))
    verb = verb.format(cause=CAUSES[cause] or f'ended by {cause}')
    where = {'client': 'to', 'server': 'from'}.get(role, 'with')
    whom = f'{where} {peer}' if peer else f'{where} several peers'
    mended = '' if not repaired else '; the library repaired ' + ('it' if repaired == connections == 1 else
                                                                  'all' if repaired == connections else f'{repaired:,}')
    as_role = f' (as {role})' if role != 'unknown' else ''
    return f'{program}{as_role} {verb} {count_of(connections, "connection")} {whom} {how}{mended}'


def end_of_peer(word):
    return PEER_ENDS[word] or plain(word)


def peer_sentence(peer, sni, peer_ends, by_peer, connections):
    ends = sorted(peer_ends.items(), key=lambda item: -item[1])
    how = f'{end_of_peer(ends[0][0])},' if len(ends) == 1 else ', '.join(
        f'{number:,} by {end_of_peer(end)}' for end, number in ends) + ';'
    name = f' ({sni})' if sni else ''
    return f'truncated by the peer {peer}{name}: {how} {by_peer:,} of {count_of(connections, "connection")}'


def fault_sentence(fault, connections, places, site):
    """What to do about a fault; site is the place that has it most often: (program, caller, cause), or None."""
    where = ''
    if site:
        program, caller, cause = site
        where = f' in {clean(program)}, at {clean(caller) if caller else "a place that is not known"} ({cause})'
        where = f'{", most" if places > 1 else ""}{where}'
    many = f', {places:,} places' if places > 1 else ''
    source, outside = REMEDIES.get(fault, NO_REMEDY)
    return f'{plain(fault)}, {count_of(connections, "connection")}{many}{where}: {source}. Until then: {outside}.'


def peers_sentence(connections, peers, worst):
    """What to do about peers that truncate."""
    whom = f'most by {worst}' if peers > 1 else f'by {worst}'
    return (f'truncated by {count_of(peers, "peer")}, {count_of(connections, "connection")}, {whom}: tell those who run it, '
            'or run it under closenotify there. Until then: take for whole only what the protocol itself says the length of.')
