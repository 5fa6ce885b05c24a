/* SPDX-License-Identifier: MIT
 * The records of the log: each connection's end, the calls that led there, and counts. Invariant: nothing here changes what
 * happens. */
#ifndef CN_EVENT_H
#define CN_EVENT_H

#include "farewell.h"
#include "config.h"
#include "verdict.h"

struct cn_end {
	enum cn_cause cause;
	struct cn_plan plan;
	struct cn_farewell done;
	struct cn_facts facts;   /* on which the plan was made */
	struct cn_socket socket; /* as it was before the farewell */
	int64_t held; /* bytes of ciphertext that the program still has; negative: some, not known how many */
};

/* Loads what a backtrace needs. Called by the constructor. */
void cn_event_start(void);

/* Writes the record of a connection's end, once; silent unless CLOSENOTIFY_LOG asks. Any thread, signal
 * handlers. */
void cn_event_end(struct cn_conn *conn, const struct cn_end *end);

/* The log's word for the cause. For a session's end it is the TLS library's name of the call. */
const char *cn_event_cause_word(const struct cn_conn *conn, enum cn_cause cause);

/* How the background thread's work on a socket ended. */
enum cn_after {
	CN_AFTER_NOTHING, /* not yet */
	CN_AFTER_ACKNOWLEDGED,
	CN_AFTER_PEER_END,
	CN_AFTER_RESET,
	CN_AFTER_IDLE,
	CN_AFTER_TIMEOUT,
	CN_AFTER_EXIT,
	CN_AFTER_EVICTED,
	CN_AFTER_COUNT
};

/* Writes that record if bytes were left, or with CLOSENOTIFY_LEVEL=calls. `unacknowledged`: bytes, -1: not known; `ms`: since the
 * program's close. */
void cn_event_after(uint64_t cookie, enum cn_after after, int unacknowledged, int64_t ms);

/* The connection was just bound to fd: keeps its addresses for the record. */
void cn_event_label(struct cn_conn *conn, int fd);

/* Keeps what the session says of itself for the record, because it may be freed by then. */
void cn_event_remember(struct cn_conn *conn, const struct cn_tls_state *state);

/* The handshake is done: keeps the time. */
void cn_event_established(struct cn_conn *conn, const struct cn_tls_state *state);

/* The first sign of the connection's end (an error, a close): keeps the time. */
void cn_event_sign(struct cn_conn *conn);

/* CLOSENOTIFY_SUMMARY: writes the counts, if something has been added since the last time. */
void cn_event_summary(void);

/* Warns in the log, once for each library, that a TLS library lacks functions and is left alone. */
void cn_event_unusable(struct cn_tls *tls);

/* --- calls of the program, for CLOSENOTIFY_LEVEL=calls; any thread --- */

#define CN_ID_SIZE 40 /* PID-COOKIE */

struct cn_call {
	const char *name; /* NULL: not told */
	int fd;
	int64_t began; /* microseconds */
	char id[CN_ID_SIZE];
};

/* Where the program made the call that is now under way in this thread. */
extern __thread const void *cn_caller __attribute__((tls_model("initial-exec")));

void cn_call_noted(struct cn_call *call, const char *name, struct cn_conn *conn, int fd);
void cn_call_tell(const struct cn_call *call, int64_t ret, bool failed, const char *error);

/* Before the real call. `caller`: the return address of the exported function, which the program has called. */
static inline void cn_call_begin(struct cn_call *call, const void *caller, const char *name,
				 struct cn_conn *conn, int fd)
{
	cn_caller = caller;
	call->name = NULL;
	if (__builtin_expect(cn_config.log != CN_LOG_NONE, 0))
		cn_call_noted(call, name, conn, fd);
}

/* After it; returns `ret`. `error`: the TLS library's word for it, or NULL. */
static inline int cn_call_end(const struct cn_call *call, int ret, const char *error)
{
	if (__builtin_expect(call->name != NULL, 0))
		cn_call_tell(call, ret, ret < 0, error);
	return ret;
}

/* A call that reads or writes has failed for good, or finished the handshake. Other reads and writes are not logged. */
void cn_event_moved(struct cn_conn *conn, const char *name, int ret, const char *error, int failure);

#endif
