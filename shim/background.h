/* SPDX-License-Identifier: MIT
 * The background thread: reads away what a client still sends after a server has answered early and closed, which would make
 * the kernel reset; and sends the rest of an alert for which the socket had no room. Invariants: runs only while it holds a
 * socket, and a quarter of a second longer; owns a descriptor table of its own, so it can't touch a number of the
 * program's, nor the program one of its. */
#ifndef CN_BACKGROUND_H
#define CN_BACKGROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes a reference to the socket `fd`, which the caller is about to close, and with it what is left of an alert (`length` bytes, at most
 * CN_REST_MOST; FIN follows them). Holds it until the peer has ended, or for CLOSENOTIFY_LINGER_MS nothing came and nothing was
 * acknowledged, or CLOSENOTIFY_TIMEOUT_MS have passed; then the kernel has it. `cookie`: the socket's, for the log. Never waits for
 * the peer. False if it can't be done here and now (no thread, no memory, no descriptor, a signal handler): the socket is then as
 * before. */
bool cn_background_adopt(int fd, uint64_t cookie, const unsigned char *rest, size_t length, bool talking);

/* The process is about to end: the kernel gets what the background holds. Returns at once if that is nothing, or if the kernel takes
 * no filter and there is no log. Else when it is done, which depends on no peer, and a second after the last of them at most. */
void cn_background_let_go(void);

/* Lets go of everything, ends the thread and starts none until allowed again. False if none was allowed before. The program is about to
 * bind all its threads by a seccomp filter, which may kill for a system call of ours; or main is about to call pthread_exit: the
 * last thread to end calls exit(), and that must not be ours, in whose descriptor table stdio would flush into nothing. */
bool cn_background_stop(void);
void cn_background_allow(void);

#endif
