/* SPDX-License-Identifier: MIT
 * What every TLS hook has to tell of a session, whatever its library. Invariants: names no TLS library; errno is as found. */
#include "session.h"
#include "kernel.h"
#include "match.h"
#include "wine.h"

/* --- its socket --- */

/* Called before each call until the handshake is done. A session that does not write to a socket of its own (a BIO, memory) is found by
 * its hello, so what the program sends is watched from here on. */
static void seek_socket(struct cn_conn *conn, void *session)
{
	struct cn_tls_state state;

	if (cn_conn_has(conn, CN_ESTABLISHED | CN_SEEKING))
		return;
	conn->tls->ops->look(conn->tls, session, &state);
	if (state.plain || state.unsupported || state.established)
		return;
	*cn_carried(conn) = (struct cn_carried){.produced = state.produced};
	cn_conn_note(conn, CN_SEEKING);
	cn_seek_begins();
}

static void found_socket(struct cn_conn *conn, void *session)
{
	unsigned char random[CN_RANDOM];
	struct cn_carrier carrier;

	if (conn->tls->ops->hello_random(conn->tls, session, random) && cn_seek_find(random, &carrier) &&
	    cn_socket_cookie(carrier.fd) == carrier.cookie) {
		cn_end_replaced(carrier.fd, conn);
		cn_conn_bind(conn, carrier.fd, carrier.fd, carrier.cookie);
		cn_event_label(conn, carrier.fd);
		cn_carried(conn)->handed = carrier.handed - cn_carried(conn)->produced;
		cn_conn_note(conn, CN_MATCHED);
		if (cn_config.wine)
			cn_held_by_wine(carrier.fd); /* to know it when it has closed this one */
	}
	cn_conn_seek_over(conn);
}

/* Another session lives on that socket: it keeps it as long as this one, tried beside it, has no handshake to show. */
static bool is_taken(const struct cn_conn *there, const struct cn_conn *conn, uint64_t cookie)
{
	return !cn_conn_has(conn, CN_ESTABLISHED) && there && there != conn && there->cookie == cookie &&
	       there->process == cn_process() && atomic_load(&there->session) &&
	       cn_conn_has(there, CN_ESTABLISHED) && !cn_conn_has(there, CN_RECORDED);
}

/* A session may be bound to another socket before its handshake is done (STARTTLS, reuse). */
static void bind_session(struct cn_conn *conn, void *session)
{
	int read_fd, fd;
	uint64_t cookie;

	seek_socket(conn, session);
	conn->tls->ops->descriptors(conn->tls, session, &read_fd, &fd);
	if (fd < 0 || cn_tracked(fd) == CN_FD_RESERVED)
		return;
	if (fd == conn->fd && cn_conn_at(fd) == conn && conn->read_fd >= 0 && cn_socket_is(fd, conn->cookie))
		return;
	cookie = cn_socket_cookie(fd);
	if (!cookie)
		return;
	if (is_taken(cn_conn_at(fd), conn, cookie)) {
		if (conn->cookie != cookie)
			cn_event_label(conn, fd);
		conn->cookie = cookie;
		return;
	}
	cn_end_replaced(fd, conn);
	cn_conn_bind(conn, fd, read_fd, cookie);
	cn_event_label(conn, fd);
}

/* --- met --- */

/* Ties a session to `conn`, the connection known at its descriptor; NULL: to a new one. */
static struct cn_conn *tie(struct cn_conn *conn, struct cn_tls *tls, void *session)
{
	if (!conn)
		conn = cn_conn_new(tls, session);
	if (conn && !tls->ops->set_conn(tls, session, conn)) {
		cn_conn_session_gone(conn);
		conn = NULL;
	}
	return conn;
}

struct cn_conn *cn_session_new(struct cn_tls *tls, void *session)
{
	return tie(NULL, tls, session);
}

static struct cn_conn *meet(struct cn_tls *tls, void *session)
{
	struct cn_guard guard = cn_guard_enter();
	struct cn_conn *conn;
	int read_fd, fd;

	tls->ops->descriptors(tls, session, &read_fd, &fd);
	conn = tie(cn_conn_at(fd) ? cn_conn_adopt(fd, cn_socket_cookie(fd), tls, session) : NULL, tls,
		   session);
	if (conn)
		bind_session(conn, session);
	cn_guard_leave(guard);
	return conn;
}

struct cn_conn *cn_session_look(struct cn_tls *tls, void *session, struct cn_conn *conn)
{
	struct cn_guard guard;

	if (!conn)
		return meet(tls, session);
	if (conn->process != cn_process())
		return NULL; /* from before a fork: not ours */
	guard = cn_guard_enter();
	bind_session(conn, session);
	cn_guard_leave(guard);
	return conn;
}

/* --- left --- */

static bool is_end(enum cn_outcome outcome)
{
	return outcome == CN_OUT_CLOSED || outcome == CN_OUT_TRUNCATED || outcome == CN_OUT_UNTOLD ||
	       outcome == CN_OUT_FATAL;
}

/* The end of file was made by the program itself, by shutdown() of its reading side: the peer's FIN has not come. */
static bool is_own_end(const struct cn_conn *conn)
{
	struct cn_socket socket = cn_bound_socket(conn, -1, true);

	return socket.tcp && (conn->read_fd < 0 || conn->read_fd == conn->fd) && !socket.peer_shut &&
	       !socket.reset;
}

/* The facts to note after an end without close_notify. Asked at once, while errno and the session still show them. */
static uint32_t truncation(struct cn_conn *conn, void *session, int error)
{
	struct cn_tls_state state;

	if (error == EPIPE && cn_conn_has(conn, CN_FIN_SENT)) /* by the program's own shutdown() */
		return 0;
	if (error == ECONNRESET)
		return CN_TRUNCATED | (cn_conn_has(conn, CN_RESET_IN_DOUBT) ? 0U : CN_PEER_RESET);
	if (error == ETIMEDOUT) /* the network, or the peer, is gone without a word */
		return CN_FATAL;
	if (conn->fin_first) /* the peer answers a stream that was cut off here */
		return 0;
	conn->tls->ops->look(conn->tls, session, &state);
	if (is_own_end(conn)) /* an error to OpenSSL, unless SSL_OP_IGNORE_UNEXPECTED_EOF is set */
		return state.established ? 0 : CN_FATAL;
	return CN_TRUNCATED | (state.unread ? CN_MID_RECORD : 0U);
}

/* A write that would block for no reason of its own has touched nothing. */
static bool is_refused(struct cn_conn *conn, void *session)
{
	struct cn_tls_state state = {0};

	if (conn->tls->ops->writes_wait_for_room)
		conn->tls->ops->look(conn->tls, session, &state);
	return state.established;
}

void cn_session_failed(struct cn_conn *conn, void *session, int ret, size_t length, const char *name)
{
	struct cn_guard guard = cn_guard_enter();
	enum cn_outcome outcome;

	errno = guard.error;
	/* A write that returns 0 (SSL_write_ex) has failed; 0 means the peer's end only after a read. */
	outcome = conn->tls->ops->outcome(conn->tls, session, length && !ret ? -1 : ret);
	switch (outcome) {
	case CN_OUT_WANT:
	case CN_OUT_WANT_WRITE:
		if (!length || (outcome == CN_OUT_WANT && is_refused(conn, session)))
			break;
		cn_conn_note(conn, CN_WRITE_PENDING);
		conn->unfinished = outcome == CN_OUT_WANT_WRITE && length < UINT32_MAX ? (uint32_t)length : 0;
		break;
	case CN_OUT_CLOSED:
		if (!cn_conn_has(conn, CN_MARKED)) /* else the program has set the flag by hand */
			cn_conn_note(conn, CN_PEER_CLOSED);
		break;
	case CN_OUT_TRUNCATED:
		cn_conn_note(conn, truncation(conn, session, guard.error));
		break;
	case CN_OUT_UNTOLD:
		cn_conn_note(conn, CN_PEER_UNTOLD);
		break;
	case CN_OUT_FATAL:
		/* What fails after the program's FIN fails for that: a write, or anything where no goodbye was before it. */
		if (conn->fin_first || (length && cn_conn_has(conn, CN_FIN_SENT)))
			break;
		cn_conn_note(conn, CN_FATAL | (length ? CN_WRITE_PENDING : 0U));
		if (length)
			conn->unfinished = 0;
		break;
	case CN_OUT_REFUSED:
		break;
	}
	if (is_end(outcome)) {
		cn_event_sign(conn);
		if (name)
			cn_event_moved(conn, name, ret, conn->tls->ops->error_word(conn->tls, session, ret),
				       guard.error);
	}
	cn_guard_leave(guard);
}

/* `wrote`: the call was a write. Before the handshake is done that is early data, which the server may refuse. Then it has to
 * be written again (RFC 8446 4.2.10). */
static void note_established(struct cn_conn *conn, void *session, int ret, bool wrote)
{
	struct cn_guard guard = cn_guard_enter();
	struct cn_tls_state state;

	conn->tls->ops->look(conn->tls, session, &state);
	if (state.established) {
		cn_conn_note(conn, CN_ESTABLISHED);
		if (cn_conn_has(conn, CN_EARLY) && !conn->tls->ops->early_refused(conn->tls, session))
			atomic_fetch_and(&conn->facts, ~(uint32_t)CN_EARLY);
		if (cn_conn_has(conn, CN_SEEKING)) {
			cn_carried(conn)->counter = state.counter;
			found_socket(conn, session);
		} else if (conn->fd <
			   0) { /* BIO_s_connect opens its socket late; or another session had it */
			bind_session(conn, session);
		}
		cn_event_established(conn, &state);
		cn_event_moved(conn, "handshake", ret, NULL, 0);
	} else if (wrote && conn->tls->ops->early_refused) {
		cn_conn_note(conn, CN_EARLY);
	}
	cn_guard_leave(guard);
}

void cn_session_told(struct cn_conn *conn, void *session, bool ok, int ret, size_t length)
{
	if (!ok)
		cn_session_failed(conn, session, ret, length,
				  !cn_conn_has(conn, CN_ESTABLISHED) ? "handshake"
				  : length                           ? "write"
								     : "read");
	else /* After a fatal alert no call succeeds. So after a success, an earlier error was not fatal. */
		atomic_fetch_and(&conn->facts,
				 ~(uint32_t)(CN_FATAL | (length ? CN_WRITE_PENDING | CN_EARLY : 0U)));
	if ((ok || cn_conn_has(conn, CN_SEEKING)) && !cn_conn_has(conn, CN_ESTABLISHED))
		note_established(conn, session, ret, ok && length);
	if (conn->share)
		cn_share_speak(conn->share);
}

/* --- ended --- */

void cn_session_ends(struct cn_call *call, const void *caller, struct cn_conn *conn, enum cn_cause cause)
{
	struct cn_guard guard;

	cn_call_begin(call, caller, cn_event_cause_word(conn, cause), conn, conn->fd);
	guard = cn_guard_enter();
	cn_end_session(conn, cause);
	cn_guard_leave(guard);
}
