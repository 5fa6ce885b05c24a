# SPDX-License-Identifier: MIT
# denies.py mdwe|filter COMMAND...: becomes COMMAND where memory may not become code: by PR_SET_MDWE, or by a seccomp filter as that of
# systemd's MemoryDenyWriteExecute, to which a change of protection with PROT_EXEC is an error. Exit status 77: not to be had here.
import ctypes
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_MDWE = 38, 22, 65
MPROTECT, X86_64 = 10, 0xC000003E


def filter_program():
    load, equal, has, answer = 0x20, 0x15, 0x45, 0x06
    allow, error = 0x7FFF0000, 0x00050000 | 1
    return b''.join(struct.pack('HBBI', *step) for step in (
        (load, 0, 0, 4), (equal, 0, 4, X86_64),
        (load, 0, 0, 0), (equal, 0, 2, MPROTECT),
        (load, 0, 0, 32), (has, 1, 0, 4),  # the third argument's low half: PROT_EXEC
        (answer, 0, 0, allow), (answer, 0, 0, error)))


def deny(how):
    if how == 'mdwe':
        return libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)
    program = ctypes.create_string_buffer(filter_program(), 64)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.prctl(PR_SET_SECCOMP, 2, struct.pack('HxxxxxxQ', 8, ctypes.addressof(program)), 0, 0)


if deny(sys.argv[1]) != 0:
    sys.exit(77)
environment = {k: v for k, v in os.environ.items() if k != 'PATCH_PRELOAD'}
if 'PATCH_PRELOAD' in os.environ:
    environment['LD_PRELOAD'] = os.environ['PATCH_PRELOAD']
os.execve(sys.argv[2], sys.argv[2:], environment)
