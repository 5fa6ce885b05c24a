# SPDX-License-Identifier: MIT
"""How the tests of a suite end without the library and with it, and what is behind a difference: the table of
tests/cpython and tests/peers."""
import collections
import sys
import time

WORST = ('passed', 'skipped', 'failed', 'unfinished')
Ending = collections.namedtuple('Ending', 'outcome why')
MISSING = Ending('missing', '')

ALONE_TIMES = 3
CONTROL_TIMES = 20  # at most: until it ends as with the library


def heading():
    print(f'{"":<27}{"without the library":^41}  {"with the library":^41}')
    print(f'{"":<27}' + 2 * (''.join(f'{word[:7]:>8}' for word in WORST) + f'{"time":>8}  '))


def differs_alone(test, library, alone, control, speaker):
    """How it ends with the library and never without, or None. Prints what was found."""
    without = [alone(test, None, 'without') for _ in range(ALONE_TIMES)]
    with_it = [alone(test, library, 'with') for _ in range(ALONE_TIMES)]
    print('    alone without:', *[ending.outcome for ending in without],
          '  with:', *[ending.outcome for ending in with_it])
    before = {ending.outcome for ending in without}
    found = next((ending for ending in with_it if ending.outcome not in before), None)
    if not found:
        print('    unsteady')
        return None
    for number in range(CONTROL_TIMES if control else 0):
        ending = control(test)
        if ending.outcome == found.outcome:
            print(f'    {found.outcome} without the library too, when {speaker} says goodbye:',
                  f'run {number + 1} of the control')
            why = (ending.why if ending.outcome == 'failed' else without[0].why).splitlines()
            if why:
                print('     ', why[-1])
            return None
    print('    DIFFERENT:', found.outcome, *found.why.splitlines(), sep='\n      ')
    return found


def compare(suite, library, run, alone, control=None, speaker=''):
    """Prints the suite's row and its differences. Returns how many are real; None if the suite didn't run.
    run(library, label) returns the ending of each test, alone(test, library, label) that of one, and control(test) that
    of one without the library when the program (speaker) says goodbye by itself."""
    begun = time.monotonic()
    without = run(None, 'without')
    seconds_without = time.monotonic() - begun
    with_it = run(library, 'with')
    seconds_with = time.monotonic() - begun - seconds_without

    row = f'{suite:<27}'
    for told, seconds in ((without, seconds_without), (with_it, seconds_with)):
        count = collections.Counter(ending.outcome for ending in told.values())
        row += ''.join(f'{count[outcome]:>8}' for outcome in WORST) + f'{seconds:>6.0f} s  '
    print(row.rstrip(), flush=True)
    if not any(ending.outcome == 'passed' for ending in without.values()):
        print('  no test passed')
        return None

    differences = 0
    for test in sorted(without.keys() | with_it.keys()):
        before, after = without.get(test, MISSING), with_it.get(test, MISSING)
        if before.outcome == after.outcome:
            continue
        print(f'  {test}: {before.outcome} without, {after.outcome} with')
        differences += differs_alone(test, library, alone, control, speaker) is not None
        sys.stdout.flush()
    return differences
