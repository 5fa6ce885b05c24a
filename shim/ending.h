/* SPDX-License-Identifier: MIT
 * The end of a connection, for every hook: the facts come from conn, the TLS library and the kernel, the plan from policy; farewell
 * carries it out, and event writes the record. Invariant: each connection gets one farewell and one record. */
#ifndef CN_ENDING_H
#define CN_ENDING_H

#include "conn.h"
#include "kernel.h"
#include "policy.h"

/* The program is about to close a tracked descriptor, or to shut its sending half (CN_CAUSE_SHUTDOWN, _BOTH). Called before the real
 * call, by any thread, signal handler or child; where the shim must not act, it does nothing. errno is clobbered. */
void cn_end_descriptor(int fd, enum cn_cause cause);

/* The cause that shutdown(fd, how) stands for; if the other half was shut before, it ends both. CN_CAUSE_COUNT: it ends nothing yet. Any
 * thread, signal handlers too. */
enum cn_cause cn_end_of_half(int fd, int how);

/* The program has shut its reading side. Linux still takes what comes in until our FIN is sent; after that it answers with RST. Any
 * thread, signal handlers too. */
void cn_input_shut(int fd);

/* What stood in stdio's stream on it could not be written out: the peer does not have everything. */
void cn_stream_lost(int fd);

/* The program is about to free or clear a session. */
void cn_end_session(struct cn_conn *conn, enum cn_cause cause);

/* Another session is about to be bound to fd. The connection that was there is over; only its record is written. */
void cn_end_replaced(int fd, const struct cn_conn *by);

/* The process is about to end with this status, while the TLS library still works. `flushes`: stdio's streams are written out after
 * this. */
void cn_end_process(int status, bool flushes);

/* All exit handlers have run. Ends what cn_end_process left to them; asks no session whose library may have cleaned up. */
void cn_end_process_late(void);

/* SSL_set_fd may move an established session to another descriptor of the same socket; this takes over that descriptor. `fd`: where
 * the session writes now, -1: not known. False: `fd` isn't known to be its socket. The caller is in a call on the session, or has
 * claimed it. */
bool cn_follow(struct cn_conn *conn, int fd);

/* Another thread may close the session's descriptor, even by a raw system call, and the number may be another file's before the alert
 * is sent. So in a program with threads the shim works on a copy of `fd`, a number of the connection. Returns that copy, which the
 * caller closes, or -1 if none is needed or possible. */
int cn_hold_socket(const struct cn_conn *conn, int fd);

/* After the program's SSL_shutdown on a connection that was found by its hello: keeps the alert if it was made into memory. `produced`
 * and `before`: the session's count and the socket, both from before the call. */
void cn_goodbye_made(struct cn_conn *conn, void *session, uint64_t produced, const struct cn_socket *before);

/* The program is about to write what is exactly its own goodbye before bytes that were encrypted earlier: no peer can read it there.
 * It is to count as written, and is sent when they are. */
bool cn_goodbye_is_early(int fd, const struct iovec *parts, size_t count);

/* The program has written to fd: sends its goodbye if that was early and is due now. */
void cn_goodbye_may_follow(int fd);

/* Looks at the session's socket, by its descriptor or by `copy` (-1: none). Not open if that is not the socket it was bound to. `tcp`: asks for the
 * state of TCP too, by one more system call. */
struct cn_socket cn_bound_socket(const struct cn_conn *conn, int copy, bool tcp);

#endif
