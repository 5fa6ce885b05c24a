/* SPDX-License-Identifier: MIT
 * Shells around libssl. Invariant: decides nothing. Each calls the real function of the caller's own libssl, tells session.c what came
 * of it, and leaves errno and OpenSSL's error queue as the real function left them. */
#include "copies.h"
#include "session.h"
#include "tls_openssl.h"

#include <stddef.h>

struct call {
	struct cn_tls *tls;
	struct cn_conn *conn; /* NULL: only the real call is made */
};

#define RECEIVED_SHUTDOWN 2 /* SSL_RECEIVED_SHUTDOWN */

#define SESSION_WORDS 4 /* an SSL's first words; one points to the library's table of methods */

static inline struct cn_tls *library(const SSL *ssl, const void *caller)
{
	struct cn_tls *first = atomic_load_explicit(&cn_openssl_kind.first, memory_order_acquire);
	const uintptr_t *words = (const void *)ssl;

	/* In OpenSSL 1.1 and 3.0 it is the second word, from 3.2 on the third and fourth. */
	if (__builtin_expect(first && ssl, 1) &&
	    (words[1] - first->start < first->length || words[3] - first->start < first->length))
		return first;
	return cn_tls_of(&cn_openssl_kind, (const void *const *)ssl, ssl ? SESSION_WORDS : 0, caller);
}

/* The caller is the library itself. */
static bool is_inside(const struct cn_tls *tls, const void *caller)
{
	return (uintptr_t)caller - tls->start < tls->length;
}

/* --- the session's connection --- */

static inline bool is_part(struct cn_tls *tls, SSL *ssl, const struct cn_conn *conn, const void *caller)
{
	bool inside = is_inside(tls, caller);

	return (!conn || inside) && cn_openssl_is_part(tls, ssl, inside);
}

static inline struct cn_conn *conn_of(struct cn_tls *tls, SSL *ssl, const void *caller)
{
	struct cn_conn *conn;

	if (cn_session_passes() || !ssl)
		return NULL;
	if (__builtin_expect(!tls->usable, 0)) {
		cn_event_unusable(tls);
		return NULL;
	}
	conn = cn_openssl_conn(tls, ssl);
	if (is_part(tls, ssl, conn, caller))
		return NULL;
	return cn_session_met(tls, ssl, conn);
}

/* --- calls that move bytes --- */

/* The connection of this thread's last call. Its memory is never unmapped, and `session` in it is reset when the session is freed. */
static __thread struct cn_conn *last __attribute__((tls_model("initial-exec")));

static inline bool is_last(const SSL *ssl)
{
	return last && atomic_load_explicit(&last->session, memory_order_acquire) == ssl && ssl &&
	       cn_conn_has(last, CN_ESTABLISHED) && last->process == cn_process() && !cn_inside &&
	       !cn_confined;
}

static __attribute__((noinline)) struct call find(SSL *ssl, const void *caller)
{
	struct call call = {.tls = library(ssl, caller)};

	if (call.tls)
		call.conn = conn_of(call.tls, ssl, caller);
	if (call.conn)
		last = call.conn;
	return call;
}

static inline __attribute__((always_inline)) struct call enter(SSL *ssl, const void *caller)
{
	struct call call;

	if (__builtin_expect(is_last(ssl), 1))
		call = (struct call){.conn = last, .tls = last->tls};
	else
		call = find(ssl, caller);
	if (call.conn)
		cn_conn_enter(call.conn);
	return call;
}

/* A shell. `missing`: what it returns if no libssl is found for the caller. `asked`: 0 for a read of no bytes, whose failure means
 * nothing. `succeeded`, `length`: as in cn_session_left. */
#define SHELL(type, name, params, arguments, missing, asked, succeeded, length)                              \
	EXPORT type name params                                                                              \
	{                                                                                                    \
		struct call call = enter(ssl, CALLER);                                                       \
		CN_STAY stay = {call.conn, 0};                                                               \
		type ret;                                                                                    \
                                                                                                             \
		if (__builtin_expect(!call.tls || !cn_openssl_real(call.tls)->name, 0))                      \
			return missing;                                                                      \
		stay.begun = (size_t)(length) > 0 ? CN_WRITE_PENDING : 0;                                    \
		ret = cn_openssl_real(call.tls)->name arguments;                                             \
		stay.begun = 0;                                                                              \
		if (call.conn && (asked))                                                                    \
			cn_session_left(call.conn, ssl, succeeded, (int)ret, length);                        \
		return ret;                                                                                  \
	}

SHELL(int, SSL_connect, (SSL * ssl), (ssl), -1, true, ret == 1, 0)
SHELL(int, SSL_accept, (SSL * ssl), (ssl), -1, true, ret == 1, 0)
SHELL(int, SSL_do_handshake, (SSL * ssl), (ssl), -1, true, ret == 1, 0)
SHELL(int, SSL_read, (SSL * ssl, void *buf, int num), (ssl, buf, num), -1, num, ret > 0, 0)
SHELL(int, SSL_read_ex, (SSL * ssl, void *buf, size_t num, size_t *got), (ssl, buf, num, got), 0, num,
      ret == 1, 0)
SHELL(int, SSL_peek, (SSL * ssl, void *buf, int num), (ssl, buf, num), -1, num, ret > 0, 0)
SHELL(int, SSL_peek_ex, (SSL * ssl, void *buf, size_t num, size_t *got), (ssl, buf, num, got), 0, num,
      ret == 1, 0)
/* It returns 0 for an error, 1 for success, 2 for the end of the early data. */
SHELL(int, SSL_read_early_data, (SSL * ssl, void *buf, size_t num, size_t *got), (ssl, buf, num, got), 0, num,
      ret > 0, 0)
SHELL(int, SSL_write, (SSL * ssl, const void *buf, int num), (ssl, buf, num), -1, num, ret > 0,
      num > 0 ? (size_t)num : SIZE_MAX)
SHELL(int, SSL_write_ex, (SSL * ssl, const void *buf, size_t num, size_t *put), (ssl, buf, num, put), 0, num,
      ret == 1, num ? num : SIZE_MAX)
SHELL(int, SSL_write_ex2, (SSL * ssl, const void *buf, size_t num, uint64_t flags, size_t *put),
      (ssl, buf, num, flags, put), 0, num, ret == 1, num ? num : SIZE_MAX)
SHELL(int, SSL_write_early_data, (SSL * ssl, const void *buf, size_t num, size_t *put), (ssl, buf, num, put),
      0, num, ret == 1, num ? num : SIZE_MAX)
SHELL(ssize_t, SSL_sendfile, (SSL * ssl, int fd, off_t offset, size_t size, int flags),
      (ssl, fd, offset, size, flags), -1, size, ret >= 0, SIZE_MAX)

/* --- the program's own goodbye --- */

/* `own`: what came of the alert that the session sends; `ret`: of the whole call. */
static void note_shutdown(struct cn_conn *conn, SSL *ssl, int own, int ret, const struct cn_tls_state *before)
{
	cn_conn_note(conn, CN_CALLED_SHUTDOWN);
	if (ret < 0)
		cn_session_failed(conn, ssl, ret, 0, NULL);
	if (before->quiet && !before->received)
		cn_conn_note(conn, CN_MARKED); /* libssl has set both flags, whatever the peer has said */
	/* With a record half out libssl sends no alert, and returns -1. But a write amid a handshake has put out nothing. */
	if (before->quic || before->keyless || before->quiet || !before->established ||
	    (own < 0 && cn_conn_has(conn, CN_WRITE_PENDING)) ||
	    (cn_conn_has(conn, CN_SAID_BY_SHIM) && cn_config.mode == CN_MODE_FIX))
		return; /* this call has sent no alert that the peer can read, although libssl may have set SENT */
	/* After the program's own FIN at most a BIO of its own takes the alert, and can't send it. */
	if (own >= 0 && !cn_conn_has(conn, CN_FIN_SENT) &&
	    (!before->sent || cn_conn_has(conn, CN_ALERT_PENDING))) {
		atomic_fetch_and(&conn->facts, ~(uint32_t)CN_ALERT_PENDING);
		cn_conn_note(conn, CN_SAID);
		conn->said_unseen = !cn_conn_is_followed(conn, before);
		if (conn->share)
			atomic_store(&conn->share->said, true);
	} else if (own < 0 && !before->sent && !cn_conn_has(conn, CN_FATAL | CN_TRUNCATED | CN_FIN_SENT)) {
		cn_conn_note(conn, CN_ALERT_PENDING);
	}
	/* Has this call read the peer's close_notify? It returns 1 also if RECEIVED was set before, by hand perhaps. */
	if (ret == 1 && !before->received)
		cn_session_failed(conn, ssl, 0, 0, NULL);
}

static int shutdown_both(struct cn_tls *tls, SSL *ssl, int *own)
{
	int error = errno, ret;

	ret = cn_openssl_shutdown_both(tls, ssl, own, cn_config.wait_ms);
	errno = error;
	return ret;
}

/* For the case that the real call does not return: an exception, a cancelled thread. */
static void drop_copy(const int *copy)
{
	if (*copy >= 0)
		cn_copy_over(*copy);
}

/* Writes without SIGPIPE. */
static int say(struct cn_tls *tls, SSL *ssl, int copy, const struct cn_socket *socket,
	       const struct cn_tls_state *before, size_t *put)
{
	int ret;

	if (socket->open && !before->unsupported &&
	    cn_openssl_shutdown_quietly(tls, ssl, copy, before->fd, &ret, put))
		return ret;
	return cn_openssl_shutdown(tls, ssl, copy);
}

static int shutdown_tracked(struct cn_tls *tls, SSL *ssl, struct cn_stay *stay)
{
	struct cn_guard guard = cn_guard_enter();
	struct cn_conn *conn = stay->conn;
	struct cn_tls_state before;
	struct cn_socket socket = {0};
	int __attribute__((cleanup(drop_copy))) copy = -1;
	bool known, gone, writes;
	size_t put = 0;
	int own, ret;

	tls->ops->look(tls, ssl, &before);
	known = cn_follow(conn, before.fd);
	/* Copy and blocked SIGPIPE are only for the call that writes, which is short. During a call that waits for the peer they would
	 * keep the socket open and SIGPIPE blocked in the program's signal handlers, and for good if one jumps out (longjmp). */
	writes = !before.sent || cn_conn_has(conn, CN_ALERT_PENDING);
	if (known && before.plain && !before.unsupported && writes)
		copy = cn_hold_socket(conn, conn->fd);
	if (known)
		socket = cn_bound_socket(conn, copy, writes);
	gone = known && conn->fd >= 0 && !socket.open && !socket.unknown;
	stay->begun = writes ? CN_TRIED : 0; /* never a second alert */
	cn_guard_leave(guard);               /* the program's callbacks run in the real call */
	if (gone && before.plain && cn_config.mode == CN_MODE_FIX)
		ret = cn_openssl_shutdown_nowhere(tls, ssl,
						  cn_conn_has(conn, CN_SAID_BY_SHIM) &&
							  !cn_conn_has(conn, CN_CALLED_SHUTDOWN));
	else if (cn_config.mode == CN_MODE_FIX && cn_conn_has(conn, CN_SAID_BY_SHIM) &&
		 !cn_conn_has(conn, CN_CALLED_SHUTDOWN))
		ret = before.received ? 1
				      : 0; /* what it would return if the program itself had sent our alert */
	else if (cn_config.mode == CN_MODE_FIX && before.plain &&
		 (writes || cn_conn_has(conn, CN_WRITE_PENDING)))
		ret = say(tls, ssl, copy, &socket, &before, &put);
	else
		ret = cn_openssl_real(tls)->SSL_shutdown(ssl);
	own = ret;
	if (cn_config.wait_ms && before.plain && !gone && cn_config.mode == CN_MODE_FIX && !before.quiet)
		ret = shutdown_both(tls, ssl, &own);
	guard = cn_guard_enter();
	stay->begun = 0;
	if (own >= 0 && !before.sent && before.plain && !before.held && socket.tcp && !socket.owing) {
		if (put)
			conn->goodbye = socket.handed + put;
		else
			cn_socket_handed(copy >= 0 ? copy : conn->fd, &conn->goodbye);
	}
	drop_copy(&copy);
	copy = -1;
	errno = guard.error;
	if (!gone)
		note_shutdown(conn, ssl, own, ret, &before);
	else if (ret < 0 && before.plain && !before.unsupported && before.established && !before.sent &&
		 atomic_load(&conn->descriptors) &&
		 !cn_conn_has(conn, CN_WRITE_PENDING | CN_FATAL | CN_TRUNCATED))
		/* Made, and sent nowhere: another number of the socket can still take it. */
		cn_conn_note(conn, CN_ALERT_PENDING);
	if (ret >= 0 && !before.sent && cn_conn_has(conn, CN_SAID) && cn_conn_has(conn, CN_MATCHED) &&
	    before.counter == cn_carried(conn)->counter)
		cn_goodbye_made(conn, ssl, before.produced, &socket);
	cn_guard_leave(guard);
	return ret;
}

EXPORT int SSL_shutdown(SSL *ssl)
{
	struct call call = enter(ssl, CALLER);
	CN_STAY stay = {call.conn, 0};
	struct cn_call told;
	int ret;

	if (!call.tls)
		return -1;
	if (!call.conn)
		return cn_openssl_real(call.tls)->SSL_shutdown(ssl);
	cn_call_begin(&told, CALLER, "SSL_shutdown", call.conn, call.conn->fd);
	ret = shutdown_tracked(call.tls, ssl, &stay);
	if (told.name)
		cn_call_end(&told, ret, ret < 0 ? call.tls->ops->error_word(call.tls, ssl, ret) : NULL);
	return ret;
}

/* nginx, Apache and nghttp mark the peer's close_notify as received, so that SSL_shutdown does not wait for it. libssl itself calls this
 * when SSL_OP_IGNORE_UNEXPECTED_EOF makes it take a bare EOF for close_notify. */
EXPORT void SSL_set_shutdown(SSL *ssl, int mode)
{
	struct cn_tls *tls = library(ssl, CALLER);
	struct cn_conn *conn = tls ? conn_of(tls, ssl, CALLER) : NULL;

	if (!tls)
		return;
	if (conn && is_inside(tls, CALLER))
		cn_conn_note(conn, CN_EOF_TAKEN);
	else if (conn && mode & RECEIVED_SHUTDOWN)
		cn_conn_note(conn, CN_MARKED);
	else if (conn)
		atomic_fetch_and(&conn->facts, ~(uint32_t)CN_MARKED);
	cn_openssl_real(tls)->SSL_set_shutdown(ssl, mode);
}

/* --- the end of a session --- */

/* True if this call takes the session's last reference, as far as SSL_up_ref and SSL_dup tell. */
static bool last_reference(struct cn_conn *conn)
{
	uint32_t more = atomic_load(&conn->session_refs);

	while (more) {
		if (atomic_compare_exchange_weak(&conn->session_refs, &more, more - 1))
			return false;
	}
	return true;
}

/* The connection that this call ends, or NULL. */
static struct cn_conn *ended_by(struct cn_tls *tls, SSL *ssl, enum cn_cause cause, const void *caller)
{
	struct cn_conn *conn;

	if (!ssl || cn_inside || cn_confined || !tls->usable || cn_config.mode == CN_MODE_OFF)
		return NULL;
	conn = cn_openssl_conn(tls, ssl);
	if (!conn || is_part(tls, ssl, conn, caller) || (cause == CN_CAUSE_FREE && !last_reference(conn)))
		return NULL;
	/* Every handshake begins with libssl's own SSL_clear. There, or where nothing was noted yet, nothing has begun that could end. */
	if (cause == CN_CAUSE_CLEAR && !cn_conn_has(conn, CN_ESTABLISHED) &&
	    (is_inside(tls, caller) || !cn_conn_has(conn, ~(uint32_t)CN_SEEKING)))
		return NULL;
	return conn;
}

static void end_session(struct cn_call *call, const void *caller, struct cn_tls *tls, SSL *ssl,
			enum cn_cause cause)
{
	struct cn_conn *conn = ended_by(tls, ssl, cause, caller);

	call->name = NULL;
	if (conn)
		cn_session_ends(call, caller, conn, cause);
}

EXPORT void SSL_free(SSL *ssl)
{
	struct cn_tls *tls = library(ssl, CALLER);
	struct cn_call call;

	if (!tls)
		return;
	end_session(&call, CALLER, tls, ssl, CN_CAUSE_FREE);
	cn_openssl_real(tls)->SSL_free(ssl);
	cn_call_end(&call, 0, NULL);
}

/* The session is used again after this. Its next connection gets the count of references of the last one. */
static void keep_holders(struct cn_tls *tls, SSL *ssl, uint32_t holders)
{
	struct cn_guard guard = cn_guard_enter();
	struct cn_conn *conn = cn_openssl_conn(tls, ssl) ? NULL : cn_session_new(tls, ssl);

	if (conn)
		atomic_store(&conn->session_refs, holders);
	cn_guard_leave(guard);
}

EXPORT int SSL_clear(SSL *ssl)
{
	struct cn_tls *tls = library(ssl, CALLER);
	struct cn_conn *conn = tls ? ended_by(tls, ssl, CN_CAUSE_CLEAR, CALLER) : NULL;
	uint32_t holders = conn ? atomic_load(&conn->session_refs) : 0;
	struct cn_call call;
	int ret;

	if (!tls)
		return 0;
	end_session(&call, CALLER, tls, ssl, CN_CAUSE_CLEAR);
	ret = cn_call_end(&call, cn_openssl_real(tls)->SSL_clear(ssl), NULL);
	if (holders)
		keep_holders(tls, ssl, holders);
	return ret;
}

/* After a handshake these two begin the session anew, as SSL_clear does. Its keys are gone then. */
#define ANEW(function)                                                                                       \
	EXPORT void function(SSL *ssl)                                                                       \
	{                                                                                                    \
		struct cn_tls *tls = library(ssl, CALLER);                                                   \
		struct cn_conn *conn = tls ? ended_by(tls, ssl, CN_CAUSE_CLEAR, CALLER) : NULL;              \
		uint32_t holders = conn ? atomic_load(&conn->session_refs) : 0;                              \
		struct cn_call call;                                                                         \
                                                                                                             \
		if (!tls)                                                                                    \
			return;                                                                              \
		end_session(&call, CALLER, tls, ssl, CN_CAUSE_CLEAR);                                        \
		if (call.name)                                                                               \
			call.name = #function;                                                               \
		cn_openssl_real(tls)->function(ssl);                                                         \
		cn_call_end(&call, 0, NULL);                                                                 \
		if (holders)                                                                                 \
			keep_holders(tls, ssl, holders);                                                     \
	}

ANEW(SSL_set_connect_state)
ANEW(SSL_set_accept_state)

/* --- more than one holder --- */

EXPORT int SSL_up_ref(SSL *ssl)
{
	struct cn_tls *tls = library(ssl, CALLER);
	struct cn_conn *conn = tls ? conn_of(tls, ssl, CALLER) : NULL;
	int ret = tls ? cn_openssl_real(tls)->SSL_up_ref(ssl) : 0;

	if (ret && conn)
		atomic_fetch_add(&conn->session_refs, 1);
	return ret;
}

EXPORT SSL *SSL_dup(SSL *ssl)
{
	struct cn_tls *tls = library(ssl, CALLER);
	struct cn_conn *conn = tls ? conn_of(tls, ssl, CALLER) : NULL;
	uint32_t before = conn ? atomic_load(&conn->session_refs) : 0;
	SSL *copy = tls ? cn_openssl_real(tls)->SSL_dup(ssl) : NULL;

	/* After the handshake SSL_dup is an SSL_up_ref. libssl may have called our hook of that, which has counted it. */
	if (copy == ssl && conn && atomic_load(&conn->session_refs) == before)
		atomic_fetch_add(&conn->session_refs, 1);
	return copy;
}

/* --- callbacks that can't be asked for --- */

EXPORT void SSL_set_msg_callback(SSL *ssl, cn_msg_callback *callback)
{
	struct cn_tls *tls = library(ssl, CALLER);

	if (tls)
		cn_openssl_real(tls)->SSL_set_msg_callback(ssl, cn_openssl_msg_callback(callback));
}

EXPORT void SSL_CTX_set_msg_callback(SSL_CTX *ctx, cn_msg_callback *callback)
{
	struct cn_tls *tls =
		cn_tls_of(&cn_openssl_kind, (const void *const *)ctx, ctx ? SESSION_WORDS : 0, CALLER);

	if (tls)
		cn_openssl_real(tls)->SSL_CTX_set_msg_callback(ctx, cn_openssl_msg_callback(callback));
}

EXPORT int SSL_set_record_padding_callback(SSL *ssl, cn_padding_callback *callback)
{
	struct cn_tls *tls = library(ssl, CALLER);

	return tls ? cn_openssl_real(tls)->SSL_set_record_padding_callback(
			     ssl, cn_openssl_padding_callback(callback))
		   : 0;
}

EXPORT void SSL_CTX_set_record_padding_callback(SSL_CTX *ctx, cn_padding_callback *callback)
{
	struct cn_tls *tls =
		cn_tls_of(&cn_openssl_kind, (const void *const *)ctx, ctx ? SESSION_WORDS : 0, CALLER);

	if (tls)
		cn_openssl_real(tls)->SSL_CTX_set_record_padding_callback(
			ctx, cn_openssl_padding_callback(callback));
}

/* --- the exit handler's place --- */

static _Atomic int at_exit_registered;

EXPORT int OPENSSL_init_ssl(uint64_t options, const void *settings)
{
	const void *caller = CALLER;
	/* libssl itself calls this for each new session, and where its code lies is known. */
	struct cn_tls *first = atomic_load_explicit(&cn_openssl_kind.first, memory_order_acquire);
	struct cn_tls *tls = first && (uintptr_t)caller - first->start < first->length
				     ? first
				     : cn_tls_of(&cn_openssl_kind, &caller, 1, caller);
	int ret = tls ? cn_openssl_real(tls)->OPENSSL_init_ssl(options, settings) : 0;

	if (tls && is_inside(tls, caller))
		atomic_store(&tls->open_inside, true);
	cn_at_exit_once(&at_exit_registered);
	return ret;
}

EXPORT SSL_CTX *SSL_CTX_new(const void *method)
{
	struct cn_tls *tls = cn_tls_of(&cn_openssl_kind, &method, 1, CALLER);
	SSL_CTX *context = tls ? cn_openssl_real(tls)->SSL_CTX_new(method) : NULL;

	cn_at_exit_once(&at_exit_registered);
	return context;
}

EXPORT SSL_CTX *SSL_CTX_new_ex(void *libctx, const char *propq, const void *method)
{
	struct cn_tls *tls = cn_tls_of(&cn_openssl_kind, &method, 1, CALLER);
	SSL_CTX *context = NULL;

	if (tls && cn_openssl_real(tls)->SSL_CTX_new_ex)
		context = cn_openssl_real(tls)->SSL_CTX_new_ex(libctx, propq, method);
	cn_at_exit_once(&at_exit_registered);
	return context;
}
