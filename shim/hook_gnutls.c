/* SPDX-License-Identifier: MIT
 * Shells around libgnutls. Invariant: decides nothing. Each calls the real function of the session's own libgnutls, tells session.c what
 * came of it, and leaves errno as the real function left it. Nothing is added to calls that libgnutls makes itself, and to sessions whose
 * gnutls_init was not seen (found by dlsym, say): their push function is not known. */
#include "copies.h"
#include "session.h"
#include "tls_gnutls.h"

#include <string.h>

/* A call of the program. The clean-up runs at the end of the scope, also for an exception or a cancelled thread. */
struct call {
	const struct cn_libgnutls *real; /* NULL: there is no libgnutls */
	struct cn_gnutls *g;             /* NULL: only the real call is made */
	struct cn_stay stay;             /* with the connection; NULL: only the real call is made */
	bool counted;
	struct cn_gnutls *before;
};

#define CALL struct call __attribute__((cleanup(leave)))

static inline void leave(const struct call *call)
{
	if (call->counted)
		cn_gnutls_push_over(call->g, call->before);
	if (call->stay.conn && call->g->doomed)
		cn_conn_note(call->stay.conn, CN_FATAL);
	cn_session_stay_over(&call->stay);
}

/* The library of a call whose session is not known: the only one that is loaded, or the caller's. */
static struct cn_tls *library_of(const void *caller)
{
	struct cn_tls *first = atomic_load_explicit(&cn_gnutls_kind.first, memory_order_acquire);

	return first && !atomic_load_explicit(&first->next, memory_order_acquire) && cn_tls_is_loaded(first)
		       ? first
		       : cn_tls_bound(&cn_gnutls_kind, caller);
}

static struct call begin(gnutls_session_t session, const void *caller)
{
	struct cn_gnutls *g = cn_gnutls_find(session);
	struct cn_tls *tls = g ? g->tls : library_of(caller);
	struct call call = {.real = tls ? cn_gnutls_real(tls) : NULL};

	if (!g || !tls || cn_session_passes() || cn_gnutls_within(tls, caller))
		return call;
	if (!tls->usable)
		cn_event_unusable(tls);
	else
		call.g = g;
	return call;
}

static struct call enter(gnutls_session_t session, const void *caller)
{
	struct call call = begin(session, caller);
	struct cn_gnutls *g = call.g;

	if (!g)
		return call;
	call.stay.conn = cn_session_met(g->tls, session, g->conn);
	if (call.stay.conn)
		cn_conn_enter(call.stay.conn);
	call.counted = g->push || g->vec_push;
	if (call.counted)
		call.before = cn_gnutls_push_begin(g, CN_GNUTLS_COUNTED, -1);
	return call;
}

static void note_busy(struct cn_gnutls *g, uint32_t what, bool busy)
{
	if (!g)
		return;
	if (busy)
		atomic_fetch_or(&g->busy, what);
	else if (atomic_load(&g->busy) & what)
		atomic_fetch_and(&g->busy, ~what);
}

static bool is_again(long ret)
{
	return ret == CN_GNUTLS_E_AGAIN || ret == CN_GNUTLS_E_INTERRUPTED;
}

/* A shell. `asked`: 0 for a read of no bytes, which tells nothing. `then` runs before session.c is told. If no libgnutls is found, or it
 * lacks the function, the shell returns "internal error". */
#define SHELL(type, name, params, arguments, asked, succeeded, length, then)                                 \
	EXPORT type name params                                                                              \
	{                                                                                                    \
		CALL call = enter(session, CALLER);                                                          \
		type ret = CN_GNUTLS_E_INTERNAL;                                                             \
                                                                                                             \
		call.stay.begun = (size_t)(length) > 0 ? CN_WRITE_PENDING : 0;                               \
		if (__builtin_expect(call.real && call.real->name, 1))                                       \
			ret = call.real->name arguments;                                                     \
		call.stay.begun = 0;                                                                         \
		then;                                                                                        \
		if (call.stay.conn && (asked))                                                               \
			cn_session_left(call.stay.conn, session, succeeded, (int)ret, length);               \
		return ret;                                                                                  \
	}

/* --- calls that move bytes --- */

/* gnutls_record_send(session, NULL, 0) continues the write that met E_AGAIN, so the length is that write's. */
static size_t length_of(const struct call *call, size_t length)
{
	struct cn_conn *conn = call->stay.conn;

	if (length || !conn || !cn_conn_has(conn, CN_WRITE_PENDING))
		return length;
	return conn->unfinished ? conn->unfinished : SIZE_MAX;
}

SHELL(ssize_t, gnutls_record_send, (gnutls_session_t session, const void *bytes, size_t length),
      (session, bytes, length), true, ret >= 0, length_of(&call, length), )
SHELL(ssize_t, gnutls_record_send2,
      (gnutls_session_t session, const void *bytes, size_t length, size_t pad, unsigned int flags),
      (session, bytes, length, pad, flags), true, ret >= 0, length_of(&call, length), )
SHELL(ssize_t, gnutls_record_send_range,
      (gnutls_session_t session, const void *bytes, size_t length, const void *range),
      (session, bytes, length, range), true, ret >= 0, SIZE_MAX, )
SHELL(ssize_t, gnutls_record_send_file, (gnutls_session_t session, int fd, off_t *offset, size_t length),
      (session, fd, offset, length), true, ret >= 0, SIZE_MAX, )
SHELL(int, gnutls_record_uncork, (gnutls_session_t session, unsigned int flags), (session, flags), true,
      ret >= 0, SIZE_MAX, )

/* With GNUTLS_AUTO_REAUTH a read may do a handshake. While that is unfinished no alert may be sent. */
static void note_reading(const struct call *call, long ret)
{
	struct cn_gnutls *g = call->g;

	if (g && g->reauth_within_read)
		note_busy(g, CN_GNUTLS_REAUTH,
			  is_again(ret) && (!cn_gnutls_reads(g) || cn_gnutls_shakes_hands(g)));
}

SHELL(ssize_t, gnutls_record_recv, (gnutls_session_t session, void *bytes, size_t length),
      (session, bytes, length), length, ret > 0, 0, note_reading(&call, ret))
SHELL(ssize_t, gnutls_record_recv_seq,
      (gnutls_session_t session, void *bytes, size_t length, unsigned char *sequence),
      (session, bytes, length, sequence), length, ret > 0, 0, note_reading(&call, ret))
SHELL(ssize_t, gnutls_record_recv_packet, (gnutls_session_t session, gnutls_packet_t *packet),
      (session, packet), true, ret > 0, 0, note_reading(&call, ret))

/* --- handshakes, key updates, tickets: while one is unfinished no alert is sent --- */

static void note_handshake(struct cn_gnutls *g, int ret)
{
	if (g && ret == 0)
		g->established = true;
	note_busy(g, CN_GNUTLS_HANDSHAKE, ret != 0);
}

SHELL(int, gnutls_handshake, (gnutls_session_t session), (session), true, ret == 0, 0,
      note_handshake(call.g, ret))
/* By this a server asks the client for a handshake. */
SHELL(int, gnutls_rehandshake, (gnutls_session_t session), (session), true, ret == 0, 0,
      if (ret == 0 || is_again(ret)) note_busy(call.g, CN_GNUTLS_HANDSHAKE, true))
/* A server whose client's bytes come before the answer is to read them, and to call it again. */
SHELL(int, gnutls_reauth, (gnutls_session_t session, unsigned int flags), (session, flags), true, ret == 0, 0,
      note_busy(call.g, CN_GNUTLS_REAUTH, is_again(ret) || ret == CN_GNUTLS_E_GOT_APPLICATION_DATA))
/* After E_AGAIN an alert would go out under the old key. */
SHELL(int, gnutls_session_key_update, (gnutls_session_t session, unsigned int flags), (session, flags), true,
      ret == 0, 0, note_busy(call.g, CN_GNUTLS_KEY_UPDATE, is_again(ret)))
SHELL(int, gnutls_session_ticket_send, (gnutls_session_t session, unsigned int count, unsigned int flags),
      (session, count, flags), true, ret == 0, 0, note_busy(call.g, CN_GNUTLS_TICKETS, is_again(ret)))

static void note_fatal(struct cn_gnutls *g)
{
	if (g)
		g->doomed = true;
}

/* INVALID_REQUEST: the error has no alert, so none was sent. */
SHELL(int, gnutls_alert_send_appropriate, (gnutls_session_t session, int error), (session, error), true,
      ret == 0, 0, if (ret != CN_GNUTLS_E_INVALID_REQUEST) note_fatal(call.g))

/* --- the program's own goodbye --- */

enum { SHUT_BOTH = 0, AL_WARNING = 1, AL_FATAL = 2, A_CLOSE_NOTIFY = 0 };

/* The program says goodbye by gnutls_bye(how), or (`alone`) by gnutls_alert_send. */
struct goodbye {
	bool alone;
	unsigned int how;
};

static int say(const struct cn_libgnutls *real, gnutls_session_t session, const struct goodbye *goodbye)
{
	return goodbye->alone ? real->gnutls_alert_send(session, AL_WARNING, A_CLOSE_NOTIFY)
			      : real->gnutls_bye(session, goodbye->how);
}

/* `doomed`: before the call there had been an error or an end after which no alert is due. */
static void note_goodbye(struct cn_gnutls *g, struct cn_conn *conn, const struct goodbye *goodbye, int ret,
			 const struct cn_tls_state *before, bool doomed)
{
	bool waits = !goodbye->alone && goodbye->how == SHUT_BOTH, said;

	cn_conn_note(conn, CN_CALLED_SHUTDOWN);
	if (ret < 0)
		cn_session_failed(conn, g->session, ret, 0, NULL);
	else if (waits)
		cn_conn_note(conn, cn_gnutls_has_heard(g) ? CN_PEER_CLOSED : CN_PEER_UNTOLD);
	/* Before the first handshake it is plain text, and amid a key update it has the old key. */
	if (!g->established || g->doomed || atomic_load(&g->busy) & CN_GNUTLS_KEY_UPDATE ||
	    (ret >= 0 &&
	     cn_conn_has(conn, CN_FIN_SENT)) || /* a push function took it, and can't send it any more */
	    (cn_conn_has(conn, CN_SAID_BY_SHIM) && cn_config.mode == CN_MODE_FIX))
		return;
	/* If it failed in reading, the alert is out. */
	said = ret == 0 || (waits && (cn_gnutls_reads(g) || ret == CN_GNUTLS_E_INVALID_SESSION));
	if (said) {
		atomic_fetch_and(&conn->facts, ~(uint32_t)CN_ALERT_PENDING);
		if (doomed)
			conn->said_too_late = true;
		else
			cn_conn_note(conn, CN_SAID);
		conn->said_unseen = !cn_conn_is_followed(conn, before);
		if (conn->share && !doomed)
			atomic_store(&conn->share->said, true);
	} else if (is_again(ret) && before->established && !doomed) {
		cn_conn_note(conn, CN_ALERT_PENDING);
		g->alerted = goodbye->alone;
	}
}

/* The push function and the socket's copy that are used while the program's goodbye runs. */
struct transport {
	struct cn_gnutls *g, *before; /* NULL: nothing */
	int copy;                     /* of the socket, or -1 */
};

static void give_back(const struct transport *transport)
{
	if (transport->g)
		cn_gnutls_push_over(transport->g, transport->before);
	if (transport->copy >= 0)
		cn_copy_over(transport->copy);
}

/* gnutls_bye hardly refuses anything, and libgnutls's own push function raises SIGPIPE.
 * So the shim's push function is in place during the call, and it decides where the bytes go. */
static int say_tracked(struct cn_gnutls *g, struct cn_stay *stay, const struct goodbye *goodbye)
{
	struct cn_conn *conn = stay->conn;
	const struct cn_libgnutls *real = cn_gnutls_real(g->tls);
	struct cn_guard guard = cn_guard_enter();
	bool fixes = cn_config.mode == CN_MODE_FIX, doomed = cn_conn_has(conn, CN_FATAL | CN_TRUNCATED);
	bool first = !cn_conn_has(conn, CN_SAID);
	struct cn_tls_state before;
	struct cn_socket socket = {0};
	struct transport transport __attribute__((cleanup(give_back))) = {.copy = -1};
	bool known, gone, plain, over, keeps;
	int ret;

	g->tls->ops->look(g->tls, g->session, &before);
	known = cn_follow(conn, before.fd);
	plain = before.plain && !before.unsupported;
	if (known && plain && first)
		transport.copy = cn_hold_socket(conn, conn->fd);
	if (known)
		socket = cn_bound_socket(conn, transport.copy, true);
	gone = known && conn->fd >= 0 && !socket.open && !socket.unknown && plain;
	over = cn_conn_has(conn, CN_SAID_BY_SHIM) && !gone;
	keeps = first && !plain && cn_conn_has(conn, CN_MATCHED) && !cn_conn_has(conn, CN_SAID_BY_SHIM);
	stay->begun = first ? CN_TRIED : 0; /* never a second alert */
	cn_guard_leave(guard);
	if (fixes && (plain || over)) {
		transport.before = cn_gnutls_push_begin(g,
							gone   ? CN_GNUTLS_NOWHERE
							: over ? CN_GNUTLS_DROPPED
							       : CN_GNUTLS_QUIETLY,
							transport.copy);
		transport.g = g;
	}
	if (keeps)
		cn_gnutls_keep_begin(g);
	ret = say(real, g->session, goodbye);
	if (keeps)
		cn_gnutls_keep_over(g, ret == 0);
	if (cn_config.wait_ms && fixes && plain && !gone && !goodbye->alone) {
		int error = errno;

		ret = cn_gnutls_wait(g, goodbye->how, ret, cn_config.wait_ms);
		errno = error;
	}
	guard = cn_guard_enter();
	stay->begun = 0;
	if (ret == 0 && first && plain && !before.held && !cn_conn_has(conn, CN_WRITE_PENDING) &&
	    socket.tcp && !socket.owing)
		cn_socket_handed(transport.copy >= 0 ? transport.copy : conn->fd, &conn->goodbye);
	give_back(&transport);
	transport = (struct transport){.copy = -1};
	errno = guard.error;
	if (!gone)
		note_goodbye(g, conn, goodbye, ret, &before, doomed);
	cn_guard_leave(guard);
	return ret;
}

static int say_goodbye(struct call *call, gnutls_session_t session, const struct goodbye *goodbye,
		       const void *caller, const char *name)
{
	struct cn_call told;
	int ret;

	if (!call->stay.conn)
		return say(call->real, session, goodbye);
	cn_call_begin(&told, caller, name, call->stay.conn, call->stay.conn->fd);
	ret = say_tracked(call->g, &call->stay, goodbye);
	if (told.name)
		cn_call_end(&told, ret,
			    ret < 0 ? call->g->tls->ops->error_word(call->g->tls, session, ret) : NULL);
	return ret;
}

EXPORT int gnutls_bye(gnutls_session_t session, unsigned int how)
{
	CALL call = enter(session, CALLER);

	if (!call.real)
		return CN_GNUTLS_E_INTERNAL;
	return say_goodbye(&call, session, &(struct goodbye){.how = how}, CALLER, "gnutls_bye");
}

EXPORT int gnutls_alert_send(gnutls_session_t session, unsigned int level, unsigned int alert)
{
	CALL call = enter(session, CALLER);
	int ret;

	if (!call.real)
		return CN_GNUTLS_E_INTERNAL;
	if (call.stay.conn && level == AL_WARNING &&
	    alert == A_CLOSE_NOTIFY) /* SChannel under Wine says it so */
		return say_goodbye(&call, session, &(struct goodbye){.alone = true}, CALLER,
				   "gnutls_alert_send");
	ret = call.real->gnutls_alert_send(session, level, alert);
	if (level == AL_FATAL)
		note_fatal(call.g);
	if (call.stay.conn && ret < 0) /* a success says nothing: alerts go out even after fatal errors */
		cn_session_left(call.stay.conn, session, false, ret, 0);
	return ret;
}

/* --- a session's beginning and end --- */

EXPORT int gnutls_init(gnutls_session_t *session, unsigned int flags)
{
	static _Atomic int at_exit_registered;
	struct cn_tls *tls = cn_tls_bound(&cn_gnutls_kind, CALLER);
	int ret;

	if (!tls)
		return CN_GNUTLS_E_INTERNAL;
	if (cn_session_passes() || !tls->usable)
		return cn_gnutls_real(tls)->gnutls_init(session, flags);
	ret = cn_gnutls_init(tls, session, flags);
	cn_at_exit_once(&at_exit_registered);
	return ret;
}

EXPORT void gnutls_deinit(gnutls_session_t session)
{
	struct call call = begin(session, CALLER);
	struct cn_gnutls *g = cn_gnutls_find(session);
	struct cn_call told = {.name = NULL};

	if (call.g && call.g->conn)
		cn_session_ends(&told, CALLER, call.g->conn, CN_CAUSE_FREE);
	if (g)
		cn_gnutls_forget(g);
	if (call.real)
		call.real->gnutls_deinit(session);
	cn_call_end(&told, 0, NULL);
}

/* --- what GnuTLS has no getter for --- */

EXPORT void gnutls_transport_set_push_function(gnutls_session_t session, gnutls_push_func push)
{
	struct call call = begin(session, CALLER);

	if (call.g)
		cn_gnutls_set_push(call.g, push, NULL);
	else if (call.real)
		call.real->gnutls_transport_set_push_function(session, push);
}

EXPORT void gnutls_transport_set_vec_push_function(gnutls_session_t session, gnutls_vec_push_func push)
{
	struct call call = begin(session, CALLER);

	if (call.g) {
		cn_gnutls_set_push(call.g, NULL, push);
	} else if (call.real) {
		cn_gnutls_set_by_library(push);
		call.real->gnutls_transport_set_vec_push_function(session, push);
	}
}

#define SETTER(name, params, arguments, note)                                                                \
	EXPORT void name params                                                                              \
	{                                                                                                    \
		struct call call = begin(session, CALLER);                                                   \
                                                                                                             \
		if (call.real && call.real->name)                                                            \
			call.real->name arguments;                                                           \
		if (call.g)                                                                                  \
			call.g->note;                                                                        \
	}

SETTER(gnutls_transport_set_pull_function, (gnutls_session_t session, gnutls_pull_func pull), (session, pull),
       pull = pull)
SETTER(gnutls_transport_set_ptr, (gnutls_session_t session, gnutls_transport_ptr_t pointer),
       (session, pointer), transport = true)
SETTER(gnutls_transport_set_ptr2,
       (gnutls_session_t session, gnutls_transport_ptr_t from, gnutls_transport_ptr_t to),
       (session, from, to), transport = true)
SETTER(gnutls_transport_set_int2, (gnutls_session_t session, int from, int to), (session, from, to),
       transport = true)
SETTER(gnutls_transport_set_fastopen,
       (gnutls_session_t session, int fd, struct sockaddr *to, socklen_t length, unsigned int flags),
       (session, fd, to, length, flags), foreign = true)
SETTER(gnutls_alert_set_read_function, (gnutls_session_t session, gnutls_alert_read_func function),
       (session, function), foreign = true)

EXPORT int gnutls_server_name_set(gnutls_session_t session, unsigned int type, const void *name,
				  size_t length)
{
	struct call call = begin(session, CALLER);
	int ret = call.real ? call.real->gnutls_server_name_set(session, type, name, length)
			    : CN_GNUTLS_E_INTERNAL;

	if (ret == 0 && call.g && name && length < sizeof(call.g->sni)) {
		memcpy(call.g->sni, name, length);
		call.g->sni[length] = 0;
	}
	return ret;
}
