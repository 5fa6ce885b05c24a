/* SPDX-License-Identifier: MIT
 * The one way through the house, for every hook: facts from conn, TLS library and kernel, a plan from policy,
 * carried out by farewell, told by event. Invariant: each connection gets one farewell and one record. */
#ifndef CN_ENDING_H
#define CN_ENDING_H

#include "conn.h"
#include "kernel.h"
#include "policy.h"

/* The program is about to end a tracked descriptor, or its sending half (CN_CAUSE_SHUTDOWN, _BOTH). Before the real
 * call. Any thread, signal handler or child: who must not act does not. errno is clobbered. */
void cn_end_descriptor(int fd, enum cn_cause cause);

/* What shutdown(fd, how) ends: if the other half has been shut before, both. CN_CAUSE_COUNT: nothing yet. Any thread, signal handlers too. */
enum cn_cause cn_end_of_half(int fd, int how);

/* shutdown(SHUT_RD) has succeeded. Linux goes on taking what comes in, until FIN is sent: from then on it resets. Any thread, signal
 * handlers too. */
void cn_input_shut(int fd);

/* The program is about to free or clear a session. */
void cn_end_session(struct cn_conn *conn, enum cn_cause cause);

/* Another session is about to be bound to fd: what stood there before is over, and only told of. */
void cn_end_replaced(int fd, const struct cn_conn *by);

/* The process is about to end with this status, the TLS library still working. */
void cn_end_process(int status, bool flushes);

/* SSL_set_fd may move an established session to another number of its socket: then that is its descriptor from now on. `fd`:
 * where it writes to now, -1: not known. False: that isn't known to be its socket. The caller's call is on this session, or he
 * has claimed it. */
bool cn_follow(struct cn_conn *conn, int fd);

/* Another thread may close a session's descriptor, by a raw system call even, and the number be somebody else's before the
 * alert is sent. So where there are threads the socket is held by a copy while it is looked at and written to: a
 * descriptor that the caller closes, or -1. */
int cn_hold_socket(const struct cn_conn *conn);

/* The socket of the session's descriptor, or of the copy of it (-1: none); not open if it isn't the one it was bound to. */
struct cn_socket cn_bound_socket(const struct cn_conn *conn, int copy);

#endif
