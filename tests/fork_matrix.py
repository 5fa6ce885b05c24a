# SPDX-License-Identifier: MIT
"""The fork matrix: every way for two processes to share one connection and part with it, and how it must end.

    fork_matrix.py scripts all|sample TLS                     the scripts for fork_matrix, one a line
    fork_matrix.py expect all|sample TLS without|with FILE    tells where FILE, what the judge said, is not as expected

What must be is told by the script alone (see `end`), not by anything the library knows.
"""
import collections
import itertools
import json
import sys

BYTES = 100  # of each write

# speaks: who speaks after the birth of the child, in this order; the last one is the owner if he is the only one.
# shakes: who shakes hands, 'before' the birth or one of the two after it. early: the owner has spoken already when the
# other one goes. order: the other's end comes first, or the owner's, or lies between the owner's two calls.
Case = collections.namedtuple('Case', 'birth shakes speaks early order closes frees leaves')

BIRTHS = 'fork', '_fork', 'raw', 'vfork', 'spawn', 'spawn_close'
SPEAKS = '', 'P', 'C', 'PC', 'CP'
CLOSES = '', 'owner', 'other', 'both'
LEAVES = 'stays', 'exit', '_exit', 'exec', 'exec_without', 'killed'


def meaningful(c):
    """The one place where combinations are pruned."""
    owner_calls = (c.closes in ('owner', 'both')) + (c.frees[0] in ('owner', 'both'))
    if c.frees[1] == 'close first' and owner_calls < 2:
        return False  # one call has no order
    if c.order == 'between' and owner_calls < 2:
        return False
    if c.shakes != 'before' and c.speaks != c.shakes:
        return False  # who has shaken hands alone can speak alone
    if c.early and c.speaks == '' or not c.early and len(c.speaks) == 2:
        return False  # nothing is said; and of two, each speaks before the other goes
    if not c.early and c.order != 'other first' and c.speaks:
        return False  # the same as early
    if c.order == 'owner first' and c.leaves not in ('stays', 'exit', '_exit'):
        return False  # the owner is gone: nobody is left to whom it matters
    if c.birth == 'vfork':  # a child in its parent's memory, who stands still until it is gone
        return (c.speaks in ('', 'P') and not c.early and c.order == 'other first' and c.frees[0] in ('', 'owner')
                and c.leaves in ('_exit', 'exec', 'exec_without', 'killed'))
    if c.birth in ('spawn', 'spawn_close'):  # another program from the first moment on; it can do nothing but hold
        return (c.speaks in ('', 'P') and c.frees[0] in ('', 'owner') and c.leaves in ('stays', 'killed')
                and (c.closes in ('other', 'both')) == (c.birth == 'spawn_close'))
    return True


def worth_it(tls, c):
    """By which call the child is born is no matter of the version, nor of what both spoil together."""
    return c.birth in ('fork', 'vfork') or tls == '1.3' and len(c.speaks) < 2


def scripts(which, tls):
    """Each once: some combinations come to the same."""
    chosen = cases(tls) if which == 'all' else sample(cases(tls))
    return [steps for steps in dict.fromkeys(tuple(script(c)) for c in chosen) if not left_out(steps)]


def sample(every):
    """So many of them that any two values that meet in one case meet in the sample too."""
    met = set()
    for c in every:
        pairs = set(itertools.combinations(enumerate(c), 2))
        if not left_out(tuple(script(c))) and not pairs <= met:
            met |= pairs
            yield c


def cases(tls):
    frees = tuple(itertools.product(CLOSES, ('free first', 'close first')))
    for c in itertools.starmap(Case, itertools.product(
            BIRTHS, ('before', 'P', 'C'), SPEAKS, (False, True), ('other first', 'owner first', 'between'),
            CLOSES, frees, LEAVES)):
        if meaningful(c) and worth_it(tls, c):
            yield c


def script(c):
    owner = c.speaks[-1] if c.speaks else 'P'
    other = 'PC'['CP'.index(owner)]

    def calls(who, role):
        both = ['free'] * (c.frees[0] in (role, 'both')) + ['close'] * (c.closes in (role, 'both'))
        if role == 'owner' and c.frees[1] == 'close first':
            both.reverse()
        return [f'{who}.{call}' for call in both]

    shake = [f'{owner}.shake'] * (c.shakes != 'before')
    word = [f'{owner}.write'] * (len(c.speaks) == 1)
    mine = calls(owner, 'owner')
    its = [] if c.birth.startswith('spawn') else calls(other, 'other')
    if c.leaves != 'stays':
        its.append(f'{other}.{c.leaves}')

    steps = ['P.shake', 'P.write'] * (c.shakes == 'before') + [c.birth]
    if len(c.speaks) == 2:  # the second one's words are nonsense to the judge, who says so
        steps += [f'{other}.write', f'{owner}.write', f'{owner}.hear']
    if c.early:
        steps += shake + word
    if c.order == 'other first':
        steps += its + shake * (not c.early) + word + mine + [f'{owner}.exit']
    elif c.order == 'owner first':
        steps += mine + [f'{owner}.exit'] + its
    else:
        steps += mine[:1] + its + mine[1:] + [f'{owner}.exit']
    return steps


def holders_before(steps):
    """Yields for every step who holds the socket before it."""
    holds = {'P'}
    for step in steps:
        yield step, frozenset(holds)
        who, _, verb = step.rpartition('.')
        if verb in BIRTHS and verb != 'spawn_close':
            holds.add('C')
        if verb in ('close', 'exit', '_exit', 'killed', 'exec_without'):
            holds.discard(who)


def has_no_keys(steps):
    """Where the child may hold the socket but can't speak TLS on it: born before the handshake, or another program from
    the first moment on. Nobody looks for such a holder, and the owner says goodbye beside it."""
    return steps[0] in BIRTHS or 'vfork' in steps or 'spawn' in steps


def end(steps):
    """The rule: (bytes, verdict without, verdict with).

    The owner is who alone went on speaking after the birth; if nobody did, the parent. It says goodbye by the first of
    its calls that end anything (free, close, exit), if nobody else holds the connection then. Else the session or the
    socket has gone without a goodbye, and none can follow. If both have spoken, nobody knows the keys that count.
    """
    birth = next(i for i, step in enumerate(steps) if step in BIRTHS)
    spoke = {step[0] for step in steps[birth:] if step.endswith(('.write', '.shake'))}
    words = sum(step.endswith('.write') for step in steps)
    if len(spoke) == 2:
        return (words - 1) * BYTES, 'reset', 'reset'  # the judge's protest lies unread
    owner = spoke.pop() if spoke else 'P'
    for step, holders in holders_before(steps):
        if step in (f'{owner}.free', f'{owner}.close', f'{owner}.exit'):
            alone = holders == {owner} or has_no_keys(steps)
            return words * BYTES, 'truncated', 'closed' if alone else 'truncated'
    raise ValueError(steps)


def in_doubt(steps):
    """Where as without the library is right as well: a birth without atfork handlers. When in doubt, nothing is done."""
    return '_fork' in steps or 'raw' in steps


def left_out(steps):
    """What is known not to hold: the parent ends the connection before a child by raw system call has come to any hook
    of the library, so nobody knows of the child."""
    if 'raw' not in steps or steps[0] == 'raw':
        return False
    for step, holders in holders_before(steps):
        if step.startswith('C.') and step not in ('C.exec', 'C.exec_without', 'C.killed'):
            return False
        if step in ('P.free', 'P.close', 'P.exit', 'P._exit'):
            return 'C' in holders
    return False


def expect(which, tls, library, lines):
    """Prints what is wrong, and how many ended how. The first connection only warms up."""
    heard = sorted((json.loads(line) for line in lines), key=lambda line: line['connection'])[1:]
    played = scripts(which, tls)
    wrong = 0
    tally = collections.Counter()
    if len(heard) != len(played):
        print(f'{len(played)} cases, {len(heard)} connections')
        wrong += 1
    for steps, line in zip(played, heard):
        size, without, right = end(steps)
        verdicts = {without} if library == 'without' or in_doubt(steps) else set()
        if library == 'with':
            verdicts.add(right)
        is_right = (line['bytes'] == size and line['verdict'] in verdicts
                    and line['close_notify'] == (line['verdict'] == 'closed'))
        if is_right:
            tally[line['verdict']] += 1
        else:
            wrong += 1
            print(f"{' '.join(steps)}: expected {size} bytes, {' or '.join(sorted(verdicts))}; "
                  f"found {line['bytes']}, {line['verdict']}, {line['order']}")
    counts = [f'{count} {what}' for what, count in sorted(tally.items())]
    print(f'TLS {tls}, {library}: {len(played)} cases,', ', '.join(counts + [f'{wrong} wrong']))
    return wrong


def main(command, which, tls, *rest):
    if command == 'scripts':
        for steps in scripts(which, tls):
            print(' '.join(steps))
        return 0
    with open(rest[1], encoding='ascii') as lines:
        next(lines)  # "listening PORT"
        return expect(which, tls, rest[0], lines) != 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
