/* SPDX-License-Identifier: MIT
 * Descriptors that exist only while a call of ours takes. Invariant: no fork child goes on with one of them. */
#ifndef CN_COPIES_H
#define CN_COPIES_H

#include <stdbool.h>

/* The copy, numbered `least` or above, which a fork child does not inherit; -1: none. cn_copy_over closes it. Any thread, signal handlers
 * too. */
int cn_copy_for_now(int fd, int least);
void cn_copy_over(int copy);

/* A new socket, for as long. */
int cn_socket_for_now(int domain, int type);

/* A directory, opened to be read, for as long. */
int cn_open_for_now(const char *path);

/* Before a fork: makes no more of them, and waits, if it may, until none is between its making and its note. After it, in the
 * parent: makes them again. In the child: closes those of the parent. */
void cn_copies_pause(bool wait);
void cn_copies_resume(void);
void cn_copies_forked(void);

#endif
