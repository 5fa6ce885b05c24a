/* SPDX-License-Identifier: MIT
 * Finishes in the background what can't finish now: holds a socket open after the program's close until the
 * peer has acknowledged what was written, the peer's end comes, or a bound passes. Invariants: runs only
 * while bytes are at risk; owns a descriptor table of its own, so it can't touch a number of the program's,
 * nor the program one of its. */
#ifndef CN_LINGER_H
#define CN_LINGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes a reference to the socket `fd`, which the caller is about to close, and with it what is left of an
 * alert (length <= CN_REST_MOST; FIN follows it). `talking`: keeps it until the peer has ended, even if all is
 * acknowledged. `cookie`: the socket's, for the log. Never waits for the peer. False if it can't be done here and now (no thread, no memory, no descriptor, a
 * signal handler): the socket is then as before. */
bool cn_linger_adopt(int fd, uint64_t cookie, const unsigned char *rest, size_t length, bool talking);

/* exit has begun: from here on the total bound holds for everything together. */
void cn_linger_exit_begins(void);

/* main is about to call pthread_exit: finishes, ends the background and starts none again. */
void cn_linger_end_for_good(void);

/* The program is about to bind all its threads by a seccomp filter, which may kill for a system call of ours: ends the
 * background at once, with what it holds, as if the program's close had been the last. Starts none until allowed again. False if none was
 * allowed before. */
bool cn_linger_stop(void);
void cn_linger_allow(void);

/* For exit: waits for what the background still holds, within CLOSENOTIFY_TIMEOUT_MS from now. */
void cn_linger_finish(void);

#endif
