/* SPDX-License-Identifier: MIT
 * What every TLS hook has to tell of a session, whatever its library: that it was met, which socket it is bound to, that a call
 * on it begins and is over and how it failed, that it ends. Invariants: names no TLS library; errno is as found. */
#ifndef CN_SESSION_H
#define CN_SESSION_H

#include "config.h"
#include "ending.h"
#include "event.h"
#include "hook.h"

/* True if the shim has nothing to do with a call of this thread. Any thread, signal handlers too. */
static inline bool cn_session_passes(void)
{
	return cn_inside || cn_confined || cn_config.mode == CN_MODE_OFF;
}

/* This thread is in a call on a session (cn_conn_enter). The clean-up leaves it at the end of the scope, also for an exception or a
 * cancelled thread; not for a longjmp. */
struct cn_stay {
	struct cn_conn *conn; /* NULL: none */
	uint32_t begun;       /* what is true of the connection if the real call does not return */
};

#define CN_STAY struct cn_stay __attribute__((cleanup(cn_session_stay_over)))

static inline __attribute__((always_inline)) void cn_session_stay_over(const struct cn_stay *stay)
{
	if (!stay->conn)
		return;
	if (stay->begun) {
		stay->conn->unfinished = 0;
		cn_conn_note(stay->conn, stay->begun);
	}
	cn_conn_leave(stay->conn);
}

/* Makes a connection for a session that has none; its socket is not known yet. NULL without memory. The library must be usable, and
 * cn_inside set. */
struct cn_conn *cn_session_new(struct cn_tls *tls, void *session);

/* The slow path of cn_session_met: for a session without a connection (`conn` NULL), or one whose socket may still change. */
struct cn_conn *cn_session_look(struct cn_tls *tls, void *session, struct cn_conn *conn);

/* Before a call: the connection of a session; `conn` is the one the session knows (set_conn). NULL: the shim has nothing to do with this
 * call. The library must be usable. Any thread. */
static inline struct cn_conn *cn_session_met(struct cn_tls *tls, void *session, struct cn_conn *conn)
{
	if (__builtin_expect(conn && cn_conn_has(conn, CN_ESTABLISHED) && conn->process == cn_process(), 1))
		return conn;
	return cn_session_look(tls, session, conn);
}

/* The slow path of cn_session_left. */
void cn_session_told(struct cn_conn *conn, void *session, bool ok, int ret, size_t length);

/* A call failed. `length`: of the write, 0 for all other calls; `name`: for the log, NULL if the caller logs the call itself. */
void cn_session_failed(struct cn_conn *conn, void *session, int ret, size_t length, const char *name);

/* After the real call, the thread still counted as inside (cn_conn_enter, _leave). `ok`: it succeeded; `ret`: what the
 * library's outcome() wants to see; `length`: of a write, SIZE_MAX if it is not known, 0 for all other calls. */
static inline void cn_session_left(struct cn_conn *conn, void *session, bool ok, int ret, size_t length)
{
	if (__builtin_expect(!ok || conn->share || !cn_conn_has(conn, CN_ESTABLISHED) ||
				     cn_conn_has(conn, CN_WRITE_PENDING | CN_FATAL | CN_EARLY),
			     0))
		cn_session_told(conn, session, ok, ret, length);
}

/* Before the real call that frees or clears a session. `call` is to be given to cn_call_end after it, `caller` is where the
 * program made it. */
void cn_session_ends(struct cn_call *call, const void *caller, struct cn_conn *conn, enum cn_cause cause);

#endif
