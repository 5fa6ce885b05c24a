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

/* In a call on a session (cn_conn_enter): left when its scope is, also by an exception or a cancelled thread. A jump (longjmp)
 * is not noticed. */
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

/* A connection for a session of a usable library that has none, its socket yet to come; NULL without memory. With cn_inside
 * set. */
struct cn_conn *cn_session_new(struct cn_tls *tls, void *session);

/* The connection of a session that has none (`conn` NULL), or whose socket may change yet; NULL: the call is to be let
 * pass. */
struct cn_conn *cn_session_look(struct cn_tls *tls, void *session, struct cn_conn *conn);

/* The connection of a session of a usable library before a call; `conn` is what the library's set_conn was last given. NULL:
 * the call is to be let pass. Any thread. */
static inline struct cn_conn *cn_session_met(struct cn_tls *tls, void *session, struct cn_conn *conn)
{
	if (__builtin_expect(conn && cn_conn_has(conn, CN_ESTABLISHED) && conn->process == cn_process(), 1))
		return conn;
	return cn_session_look(tls, session, conn);
}

/* Whatever else the call that is over has to tell: see cn_session_left. */
void cn_session_told(struct cn_conn *conn, void *session, bool ok, int ret, size_t length);

/* A call failed. `length`: of the write that did, 0 for all other calls; `name`: NULL for a call that is told by itself. */
void cn_session_failed(struct cn_conn *conn, void *session, int ret, size_t length, const char *name);

/* After the real call, the thread still counted as inside (cn_conn_enter, _leave). `ok`: it succeeded; `ret`: what the
 * library's outcome() wants to see; `length`: of a write, SIZE_MAX if it is not known, 0 for all other calls. */
static inline void cn_session_left(struct cn_conn *conn, void *session, bool ok, int ret, size_t length)
{
	if (__builtin_expect(!ok || conn->share || !cn_conn_has(conn, CN_ESTABLISHED) ||
				     cn_conn_has(conn, CN_WRITE_PENDING | CN_FATAL),
			     0))
		cn_session_told(conn, session, ok, ret, length);
}

/* Before the real call that frees or clears a session. `call` is to be given to cn_call_end after it, `caller` is where the
 * program made it. */
void cn_session_ends(struct cn_call *call, const void *caller, struct cn_conn *conn, enum cn_cause cause);

#endif
