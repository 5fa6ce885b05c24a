/* SPDX-License-Identifier: MIT
 * The end of a connection: gather the facts, make the plan, carry it out, write the record. Invariant: each connection gets one
 * farewell and one record. */
#include "ending.h"
#include "background.h"
#include "config.h"
#include "copies.h"
#include "event.h"
#include "farewell.h"
#include "kernel.h"
#include "outlive.h"
#include "usdt.h"
#include "wine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ONE_RECORD 16384 /* RFC 8446 5.1: the most that fits into a record */

static void remember_state(struct cn_conn *conn, const struct cn_tls_state *state)
{
	cn_conn_note(conn, (state->server ? CN_SERVER : CN_CLIENT) | (state->quiet ? CN_SEEN_QUIET : 0U) |
				   (state->unsupported ? CN_SEEN_UNSUPPORTED : 0U) |
				   (state->established ? CN_ESTABLISHED : 0U) |
				   (state->unread ? CN_UNREAD : 0U));
	cn_event_remember(conn, state);
}

bool cn_follow(struct cn_conn *conn, int fd)
{
	if (fd < 0 || fd == conn->fd)
		return true;
	if (cn_conn_at(fd) != conn)
		return false;
	conn->fd = fd;
	return true;
}

static int exit_status;
static bool exit_flushes;
static bool exit_is_over; /* the exit handlers have run */
static bool exit_left_some;

/* Its TLS library may have cleaned up. */
static bool is_over(const struct cn_conn *conn)
{
	return exit_is_over && !conn->tls->ops->outlives_handlers;
}

/* Asks the TLS library only if no thread is inside; only then nobody else uses the session. */
static struct cn_tls_state ask_session(struct cn_conn *conn, bool thread_inside)
{
	struct cn_tls_state state = {.established = cn_conn_has(conn, CN_ESTABLISHED)};
	void *session = atomic_load(&conn->session);

	if (session && !thread_inside && !is_over(conn)) {
		conn->tls->ops->look(conn->tls, session, &state);
		if (!cn_conn_has(conn, CN_MATCHED))
			state.unsupported |= !state.plain || (!cn_follow(conn, state.fd) && conn->fd >= 0);
		else if (state.counter != cn_carried(conn)->counter)
			state.unsupported = true;     /* by another BIO, which counts from 0 */
		else if (!cn_conn_has(conn, CN_SAID)) /* what comes after the goodbye is nobody's loss */
			cn_carried(conn)->produced = state.produced;
		/* SSL_set_shutdown(SENT | RECEIVED) by hand asks for the same as a quiet shutdown. SENT alone only keeps the
		 * session resumable (CPython). */
		state.quiet |= state.sent && state.received &&
			       !cn_conn_has(conn, CN_PEER_CLOSED | CN_PEER_UNTOLD | CN_ALERT_PENDING |
							  CN_SAID | CN_SAID_BY_SHIM | CN_TRIED);
		remember_state(conn, &state);
	} else {
		state.quiet = cn_conn_has(conn, CN_SEEN_QUIET);
		state.unsupported = cn_conn_has(conn, CN_SEEN_UNSUPPORTED);
	}
	return state;
}

/* Bytes that the kernel was given, less those that the session made. Below 0: the program still holds the difference. */
static inline int64_t surplus_of(const struct cn_conn *conn, const struct cn_socket *socket)
{
	if (!cn_conn_has(conn, CN_MATCHED))
		return 0;
	return (int64_t)(socket->handed - cn_carried(conn)->handed - cn_carried(conn)->produced);
}

/* For the record: bytes of ciphertext that the program still has; -1: some, but not known how many. */
static int64_t held(const struct cn_conn *conn, const struct cn_socket *socket, const struct cn_facts *facts)
{
	int64_t surplus = surplus_of(conn, socket);

	if (surplus < 0)
		return -surplus;
	return (facts->held && !socket->write_shut) || (facts->session_gone && facts->write_pending) ? -1 : 0;
}

/* glibc's list of open streams. A libc without it counts as having a stream. The list is locked for the walk, as exit itself does. */
extern FILE *_IO_list_all __attribute__((weak));
void _IO_list_lock(void) __attribute__((weak));
void _IO_list_unlock(void) __attribute__((weak));

static bool has_stream(int fd)
{
	FILE *stream;

	if (!exit_flushes)
		return false;
	if (!&_IO_list_all || !_IO_list_lock)
		return true;
	_IO_list_lock();
	for (stream = _IO_list_all; stream && stream->_fileno != fd; stream = stream->_chain)
		;
	_IO_list_unlock();
	return stream;
}

static bool may_end(const struct cn_conn *conn)
{
	const struct cn_share *share = conn->share;

	return !share || cn_share_may_end(share, cn_conn_has(conn, CN_INHERITED));
}

/* Somebody else holds the socket as well. Other processes are asked last, because that costs the most. */
static bool is_shared(const struct cn_conn *conn, int fd, int number, const struct cn_socket *socket,
		      bool closes)
{
	const struct cn_share *share = conn->share;

	if (conn->raw_forks != cn_raw_forks() || cn_conn_has(conn, CN_HANDED_OVER) ||
	    (closes && atomic_load(&conn->descriptors) > 1))
		return true;
	if (share && socket->open && may_end(conn) && cn_share_held_elsewhere(share, fd, number))
		return true;
	return closes && cn_config.wine && socket->open && cn_held_by_wine(fd);
}

void cn_goodbye_made(struct cn_conn *conn, void *session, uint64_t produced, const struct cn_socket *before)
{
	struct cn_carried *carried = cn_carried(conn);
	struct cn_tls_state after;

	carried->produced = produced;
	if (before->open && !surplus_of(conn, before))
		carried->made = (uint32_t)conn->tls->ops->made_since(conn->tls, session, produced,
								     carried->goodbye_made, CN_GOODBYE_MOST);
	conn->tls->ops->look(conn->tls, session, &after);
	carried->produced = after.produced;
}

/* The program has called SSL_shutdown over memory and did not carry the alert to the socket (Qt 6.11 on close). Nothing else is
 * missing there. At SSL_free the alert may still be on its way. */
static bool is_goodbye_left(const struct cn_conn *conn, int64_t surplus, enum cn_cause cause)
{
	return surplus < 0 && surplus == -(int64_t)cn_carried(conn)->made && cause != CN_CAUSE_FREE &&
	       cause != CN_CAUSE_CLEAR;
}

/* Whoever is established has sent its hello. A socket that was given nothing (older kernels count the SYN) is that of a later
 * connection: connect(AF_UNSPEC), and connect() again. */
static bool is_connected_anew(const struct cn_conn *conn, const struct cn_socket *socket)
{
	return socket->counts && socket->handed <= 1 && cn_conn_has(conn, CN_ESTABLISHED);
}

/* `number`: the program's own, where fd is a copy. `left`: is_goodbye_left(). */
static struct cn_facts gather(struct cn_conn *conn, int fd, int number, const struct cn_socket *socket,
			      enum cn_cause cause, bool thread_inside, int status, bool left)
{
	struct cn_tls_state state = ask_session(conn, thread_inside);
	bool closes = cause != CN_CAUSE_FREE && cause != CN_CAUSE_CLEAR && cause != CN_CAUSE_SHUTDOWN &&
		      cause != CN_CAUSE_SHUTDOWN_BOTH && cause != CN_CAUSE_EXIT;
	bool pending = left || cn_conn_has(conn, CN_ALERT_PENDING);
	int64_t surplus = left ? 0 : surplus_of(conn, socket);
	const struct cn_share *share = conn->share;

	return (struct cn_facts){
		.owner = may_end(conn),
		.shared = is_shared(conn, fd, number, socket, closes),
		.stale = !socket->open || (cause != CN_CAUSE_REUSE && is_connected_anew(conn, socket)),
		.unsupported = state.unsupported,
		/* a session that has failed counts as in its handshake again */
		.established = state.established ||
			       (cn_conn_has(conn, CN_ESTABLISHED) &&
				(cn_conn_has(conn, CN_FATAL | CN_TRUNCATED) || conn->fin_first)),
		.fatal = cn_conn_has(conn, CN_FATAL) ||
			 (cn_conn_has(conn, CN_TRIED) && !cn_conn_has(conn, CN_SAID_BY_SHIM) &&
			  !(cn_conn_has(conn, CN_WRITE_PENDING) && !conn->unfinished)),
		.peer_truncated = cn_conn_has(conn, CN_TRUNCATED) || socket->reset,
		.write_pending = cn_conn_has(conn, CN_WRITE_PENDING),
		.one_record = conn->unfinished > 0 && conn->unfinished <= ONE_RECORD && !pending,
		.held = (state.held && !pending) || surplus != 0 ||
			cn_conn_has(conn, CN_EARLY | CN_STREAM_LOST),
		.fin_sent = socket->write_shut,
		.thread_inside = thread_inside,
		.abort_requested = socket->abort_on_close,
		.quiet = state.quiet,
		.unclean = status != 0,
		.said = (cn_conn_has(conn, CN_SAID) && surplus >= 0 && !left) ||
			(share && atomic_load(&share->said) && !cn_conn_has(conn, CN_SAID_BY_SHIM)),
		.said_by_shim = cn_conn_has(conn, CN_SAID_BY_SHIM),
		.alert_pending = pending,
		.session_gone = !atomic_load(&conn->session) && !left,
		.over = !atomic_load(&conn->session) && cn_conn_has(conn, CN_PEER_CLOSED),
		.stream = cause == CN_CAUSE_EXIT && has_stream(number),
	};
}

int cn_hold_socket(const struct cn_conn *conn, int fd)
{
	static _Atomic int high; /* cn_high_fd() as last asked */
	int copy;

	if (fd < 0 || cn_conn_at(fd) != conn || cn_config.mode != CN_MODE_FIX || cn_single_threaded())
		return -1;
	if (!atomic_load(&high))
		atomic_store(&high, cn_high_fd());
	copy = cn_copy_for_now(fd, atomic_load(&high));
	if (copy < 0) { /* the limit may have been lowered */
		atomic_store(&high, cn_high_fd());
		copy = cn_copy_for_now(fd, atomic_load(&high));
	}
	return copy;
}

/* Only for calls that do not name the descriptor: another thread may close it meanwhile. */
static int hold_socket(const struct cn_conn *conn, int fd, enum cn_cause cause)
{
	return cause == CN_CAUSE_FREE || cause == CN_CAUSE_CLEAR || cause == CN_CAUSE_EXIT
		       ? cn_hold_socket(conn, fd)
		       : -1;
}

/* close_notify is out already, and this call does not close the descriptor: nothing is to be done. */
static bool nothing_left(const struct cn_conn *conn, enum cn_cause cause)
{
	return (cause == CN_CAUSE_FREE || cause == CN_CAUSE_CLEAR || cause == CN_CAUSE_SHUTDOWN) &&
	       (cn_conn_has(conn, CN_SAID_BY_SHIM) ||
		(cn_conn_has(conn, CN_SAID) && !cn_conn_has(conn, CN_MATCHED)));
}

/* At the last close: what is only asked now, because it takes the socket's error (SO_ERROR) or is for the log. */
static void look_closer(struct cn_conn *conn, int fd, struct cn_socket *socket)
{
	/* With an error of the session its socket's may have been taken, but after the program's FIN a write fails without one. */
	bool asks = !cn_conn_has(conn, CN_FATAL) || cn_conn_has(conn, CN_FIN_SENT);

	if (!conn->label) /* only a log asks */
		return;
	if (socket->reset && asks && !cn_conn_has(conn, CN_PEER_RESET) && !cn_socket_error(fd)) {
		if (cn_conn_has(conn,
				CN_FIN_SENT)) /* both sides sent FIN, and the socket has gone to TIME_WAIT */
			socket->reset = false, socket->write_shut = socket->peer_shut = true;
		else if (
			!cn_conn_has(
				conn,
				CN_TRUNCATED)) /* OpenSSL drops the error of a reset that meets its tickets */
			cn_conn_note(conn, CN_RESET_IN_DOUBT);
	}
	socket->unread = cn_socket_unread(fd);
	socket->unsent = cn_socket_unacked(fd);
}

/* The program has sent FIN, so the rest of our alert, which the socket could not take, can't follow: the peer hears no goodbye. */
static void forget_goodbye(struct cn_conn *conn)
{
	conn->rest_length = 0;
	atomic_fetch_and(&conn->facts, ~(uint32_t)(CN_SAID_BY_SHIM | CN_TRIED));
}

/* What close() will do. Who else has the socket may set it unseen. */
static void ask_linger(struct cn_conn *conn, int fd, struct cn_socket *socket)
{
	if (cn_conn_has(conn, CN_LINGER_OFF) && !conn->share && !cn_conn_has(conn, CN_HANDED_OVER))
		return;
	cn_conn_note(conn, CN_LINGER_OFF); /* a thread or a handler that sets it meanwhile takes this away */
	cn_socket_ask_linger(fd, socket);
	if (socket->abort_on_close || socket->wait_s)
		atomic_fetch_and(&conn->facts, ~(uint32_t)CN_LINGER_OFF);
}

/* Without a record, whether the program wants RST matters no more: the connection is gone, or the program has sent goodbye and FIN itself,
 * so that only bytes at risk are left to care for. */
static bool abort_is_late(const struct cn_conn *conn, const struct cn_socket *socket, bool last)
{
	return last && !conn->label && (socket->reset || (socket->write_shut && cn_conn_has(conn, CN_SAID)));
}

/* In a process that does not own the connection, such as a child that only inherits it: no questions to library or kernel. */
static void leave_alone(struct cn_conn *conn, enum cn_cause cause, bool last)
{
	struct cn_plan plan = {.reason = CN_NOT_OWNER};

	CN_PROBE_DECISION(conn->cookie, conn->fd, cn_cause_word(cause), cn_reason_word(plan.reason), 0);
	if (last)
		cn_event_end(conn, &(struct cn_end){.cause = cause, .plan = plan});
}

/* What the end of a descriptor, a session and the process have in common. The caller holds the connection, and has claimed it unless
 * a thread is inside. False: the socket has no connection any more, so a shutdown() will fail. */
static bool end(struct cn_conn *conn, int fd, enum cn_cause cause, bool thread_inside, int status, bool last)
{
	const struct cn_rules rules = {.quiet_override = cn_config.quiet_override,
				       .exit_always = cn_config.exit_always};
	bool shuts = cause == CN_CAUSE_SHUTDOWN || cause == CN_CAUSE_SHUTDOWN_BOTH;
	struct cn_farewell done = {0};
	struct cn_socket socket = {0};
	struct cn_facts facts;
	struct cn_plan plan = {0};
	struct cn_share *share;
	int64_t missing;
	int copy, number = fd;
	bool late, in_stream, left;

	if (conn->tls && conn->tls->ops->may_unload && atomic_load(&conn->session) &&
	    !cn_tls_is_loaded(conn->tls))
		cn_conn_session_gone(conn); /* never freed, and nobody's any more */
	if (!may_end(conn) && !conn->label) {
		leave_alone(conn, cause, last);
		return true;
	}
	if (!last && nothing_left(conn, cause)) {
		ask_session(conn, thread_inside); /* for what it notes */
		return true;
	}
	copy = fd >= 0 ? hold_socket(conn, fd, cause) : -1;
	if (copy >= 0)
		fd = copy;
	if (fd >= 0)
		cn_socket_look(fd, conn->cookie, &socket);
	late = abort_is_late(conn, &socket, last);
	if (socket.open && !late)
		ask_linger(conn, fd, &socket);
	if (last && socket.open)
		look_closer(conn, fd, &socket);
	if (conn->rest_length && socket.write_shut)
		forget_goodbye(conn);
	/* What is missing may lie in a stream, which exit has yet to flush: the program's goodbye may or may not follow. */
	in_stream = cause == CN_CAUSE_EXIT && surplus_of(conn, &socket) < 0 && has_stream(number);
	left = !in_stream && is_goodbye_left(conn, surplus_of(conn, &socket), cause);
	facts = gather(conn, fd, number, &socket, cause, thread_inside, status, left);
	if (in_stream && cn_conn_has(conn, CN_SAID))
		facts.said = conn->said_unseen = true;
	missing = held(conn, &socket, &facts); /* before our alert is counted */
	/* What a buffer above the socket holds goes with the session. */
	if (cause == CN_CAUSE_FREE && facts.held && !socket.write_shut &&
	    !cn_conn_has(conn, CN_MATCHED | CN_EARLY))
		cn_conn_note(conn, CN_WRITE_PENDING);
	if (conn->cookie == 0)
		facts.stale = false, facts.unsupported = true; /* never had a socket that we know of */
	plan = cn_decide(&facts, &rules, cause);
	if (left && (last || plan.alert)) { /* else the program may still carry it, by another descriptor */
		cn_conn_note(conn, CN_ALERT_PENDING);
		atomic_fetch_and(&conn->facts, ~(uint32_t)CN_SAID);
	}
	/* The missing bytes may be in another thread's send() or in io_uring. Both hold the socket, so the kernel sends FIN when
	 * they are done. A half-close now would come before them. */
	if (missing > 0)
		plan.half_close = false;
	CN_PROBE_DECISION(conn->cookie, fd, cn_cause_word(cause), cn_reason_word(plan.reason),
			  (plan.alert ? 1 : 0) | (plan.half_close ? 2 : 0) | (plan.drain ? 4 : 0));
	if (cn_config.mode == CN_MODE_FIX && plan.half_close && cn_conn_has(conn, CN_INPUT_SHUT) &&
	    socket.owing && !socket.peer_shut && !socket.reset)
		cn_kernel_delivers(conn, fd); /* before our FIN */
	if (cn_config.mode == CN_MODE_FIX)
		done = cn_say_farewell(conn, fd, &plan, &socket, plan.half_close || shuts);
	if (plan.finish_write && !conn->unfinished)
		plan.reason = CN_TRUNCATED_BY_US;
	if (cn_config.mode == CN_MODE_OBSERVE && plan.alert && !last)
		cn_conn_note(conn,
			     CN_SAID_BY_SHIM); /* for the record at close: fix mode would have said it here */
	if (shuts && !socket.peer_shut && !socket.reset && !cn_conn_has(conn, CN_SAID) &&
	    (cn_config.mode == CN_MODE_OBSERVE || !cn_conn_has(conn, CN_SAID_BY_SHIM)))
		conn->fin_first = true;
	share = conn->share;
	if (done.alert_sent && share)
		atomic_store(&share->said, true);
	if (late && (done.at_risk || done.talking))
		ask_linger(conn, fd, &socket);
	if ((done.at_risk || done.talking || (plan.half_close && conn->rest_length)) &&
	    !(late && socket.abort_on_close))
		done.delivery = cn_outlive(conn, fd, cause, &socket, &done);
	if (last && conn->rest_length && done.delivery != CN_DELIVERY_BACKGROUND)
		forget_goodbye(conn);
	if (copy >= 0)
		cn_copy_over(copy);
	if (last && conn->made_watched)
		cn_conn_unwatch_made(conn);
	if (last)
		cn_event_end(conn, &(struct cn_end){.cause = cause,
						    .plan = plan,
						    .done = done,
						    .facts = facts,
						    .socket = socket,
						    .held = missing});
	return !socket.reset;
}

enum cn_cause cn_end_of_half(int fd, int how)
{
	struct cn_conn *conn = cn_conn_at(fd);
	uint32_t other = how == SHUT_WR ? CN_INPUT_SHUT : CN_FIN_SENT;

	if (how == SHUT_RDWR || (conn && cn_conn_has(conn, other)))
		return CN_CAUSE_SHUTDOWN_BOTH;
	return how == SHUT_WR ? CN_CAUSE_SHUTDOWN : CN_CAUSE_COUNT;
}

static void note(int fd, uint32_t fact)
{
	struct cn_conn *conn = cn_conn_at(fd);

	if (conn && conn->tls && !cn_confined && cn_process_is_real() && conn->process == cn_process())
		cn_conn_note(conn, fact);
}

void cn_input_shut(int fd)
{
	note(fd, CN_INPUT_SHUT);
}

void cn_stream_lost(int fd)
{
	note(fd, CN_STREAM_LOST);
}

void cn_end_descriptor(int fd, enum cn_cause cause)
{
	struct cn_conn *conn = cn_conn_at(fd);
	bool closes = cause != CN_CAUSE_SHUTDOWN && cause != CN_CAUSE_SHUTDOWN_BOTH;
	struct cn_share *share;
	bool claimed;

	/* A vfork child runs in our memory but closes its own descriptors: nothing here may change. */
	if (!conn || !cn_process_is_real())
		return;
	/* Without TLS, or in a fork child, only the table changes: the child has a copy of it, but does not own the connection. */
	if (!conn->tls || conn->process != cn_process()) {
		if (closes)
			cn_conn_remove(conn, fd);
		return;
	}
	if (!cn_conn_hold(conn))
		return;
	claimed = !cn_in_handler() && cn_conn_claim(conn);
	if (cn_conn_at(fd) == conn) {
		bool last = closes && atomic_load(&conn->descriptors) == 1;

		if (end(conn, fd, cause, !claimed, 0, last) && !closes)
			cn_conn_note(conn, CN_FIN_SENT | (cause == CN_CAUSE_SHUTDOWN_BOTH ? CN_RESET_IN_DOUBT
											  : 0U));
		if (last && claimed && (share = atomic_exchange(&conn->share, NULL)))
			cn_share_leave(
				share); /* if a thread is inside, it may look at it: then when this entry is used again */
		if (closes &&
		    !atomic_load(&cn_tables_differ)) /* else another thread's table may still have it */
			cn_conn_remove(conn, fd);
	}
	if (claimed)
		cn_conn_release(conn);
	cn_conn_drop(conn);
}

/* The number that the session writes to; where that is closed, another one that still is the same socket. -1: none is known. */
static int number_of(const struct cn_conn *conn)
{
	const struct cn_conn *there = cn_conn_at(conn->fd);
	int fd;

	if (there == conn)
		return conn->fd;
	if (there && there->cookie == conn->cookie)
		return -1; /* another session speaks on this socket by now */
	fd = atomic_load(&conn->descriptors) ? cn_next_tracked(0, INT_MAX) : -1;
	while (fd >= 0 && cn_conn_at(fd) != conn)
		fd = cn_next_tracked((unsigned int)fd + 1, INT_MAX);
	/* The session may have written into what took its number. */
	if (fd >= 0 && conn->fd >= 0 && !cn_conn_has(conn, CN_MATCHED) &&
	    cn_libc()->fcntl(conn->fd, F_GETFD) >= 0)
		return -1;
	return fd;
}

void cn_end_session(struct cn_conn *conn, enum cn_cause cause)
{
	int read_fd, fd = -1, number;
	bool claimed;
	void *session;

	/* A vfork child is not told apart here; it does not end sessions. */
	if (conn->process != cn_process() || !cn_conn_hold(conn))
		return;
	claimed = !cn_in_handler() && cn_conn_claim(conn);
	session = atomic_load(&conn->session);
	number = cn_conn_at(conn->fd) == conn ? conn->fd : -1;
	if (number < 0 && claimed && session) {
		conn->tls->ops->descriptors(conn->tls, session, &read_fd, &fd);
		if (cn_follow(conn, fd))
			number = number_of(conn);
		/* Tried beside another session, on that one's socket. */
		if (cn_conn_has(conn, CN_ESTABLISHED) || !conn->cookie)
			fd = -1;
	}
	/* With a descriptor the record waits for its end; without one, this is the end. */
	end(conn, number >= 0 ? number : fd, cause, !claimed, 0, number < 0);
	/* Untie the session while the connection is claimed: another thread may be about to close the descriptor. */
	session = atomic_load(&conn->session);
	if (session && conn->tls->ops->set_conn(conn->tls, session, NULL))
		cn_conn_session_gone(conn);
	if (claimed)
		cn_conn_release(conn);
	cn_conn_drop(conn);
}

void cn_end_replaced(int fd, const struct cn_conn *by)
{
	struct cn_conn *conn = cn_conn_at(fd);

	if (!conn || !conn->tls || conn->process != cn_process())
		return;
	/* The socket was shut down both ways, and is connected again (connect(AF_UNSPEC)). */
	if (atomic_fetch_and(&conn->facts, ~(uint32_t)CN_REFUSES_INPUT) & CN_REFUSES_INPUT)
		cn_socket_accept_input(fd);
	if (conn == by || !cn_conn_hold(conn))
		return;
	if (cn_conn_claim(conn)) {
		if (!atomic_load(&conn->session) || !cn_bound_socket(conn, -1, false).open)
			end(conn, fd, CN_CAUSE_REUSE, false, 0, true);
		cn_conn_release(conn);
	}
	cn_conn_drop(conn);
}

/* An exit handler of the program's own, which runs after the library's, may still speak on it, or send the goodbye that it made into
 * memory. */
static bool may_follow_at_exit(const struct cn_conn *conn)
{
	struct cn_socket socket;

	if (!exit_flushes || exit_is_over)
		return false;
	if (conn->tls->ops->outlives_handlers)
		return true;
	if (!cn_conn_has(conn, CN_MATCHED) || !cn_carried(conn)->made)
		return false;
	socket = cn_bound_socket(conn, -1, true);
	return socket.open && is_goodbye_left(conn, surplus_of(conn, &socket), CN_CAUSE_EXIT);
}

static void end_at_exit(struct cn_conn *conn)
{
	bool claimed;

	if (!conn->tls || conn->process != cn_process() || cn_conn_has(conn, CN_RECORDED) ||
	    !cn_conn_hold(conn))
		return;
	claimed = cn_conn_claim(conn);
	if (may_follow_at_exit(conn)) {
		ask_session(conn, !claimed); /* for what it notes */
		exit_left_some = true;
	} else {
		end(conn, number_of(conn), CN_CAUSE_EXIT, !claimed, exit_status, true);
	}
	if (claimed)
		cn_conn_release(conn);
	cn_conn_drop(conn);
}

void cn_end_process(int status, bool flushes)
{
	if (!cn_process_is_real())
		return;
	exit_status = status;
	exit_flushes = flushes;
	cn_conn_each(end_at_exit);
	cn_background_let_go(); /* it dies with the process */
	if (!exit_left_some || exit_is_over || !flushes)
		cn_event_summary();
}

void cn_end_process_late(void)
{
	if (!exit_left_some)
		return;
	exit_is_over = true;
	cn_end_process(exit_status, true);
}

struct cn_socket cn_bound_socket(const struct cn_conn *conn, int copy, bool tcp)
{
	const struct cn_conn *there = conn->fd >= 0 ? cn_conn_at(conn->fd) : NULL;
	struct cn_socket socket = {0};

	/* Another session on the same socket counts too. */
	if (there && there->cookie == conn->cookie)
		(tcp ? cn_socket_look : cn_socket_identify)(copy >= 0 ? copy : conn->fd, conn->cookie,
							    &socket);
	return socket;
}

/* --- the program's own goodbye, on its way --- */

static bool is_goodbye_made(const struct cn_conn *conn, const struct iovec *parts, size_t count)
{
	const struct cn_carried *carried = cn_carried(conn);
	size_t at = 0;

	for (size_t i = 0; i < count; at += parts[i++].iov_len) {
		if (parts[i].iov_len > carried->made - at ||
		    memcmp(carried->goodbye_made + at, parts[i].iov_base, parts[i].iov_len) != 0)
			return false;
	}
	return at == carried->made;
}

/* How much was written beyond the place of the goodbye; negative: less. False: there is none on its way. */
static bool beyond_goodbye(const struct cn_conn *conn, int fd, int64_t *beyond)
{
	uint64_t handed;

	if (!conn || !conn->made_watched || !cn_carried(conn)->made || conn->process != cn_process() ||
	    !cn_process_is_real() || !cn_socket_is(fd, conn->cookie) || !cn_socket_handed(fd, &handed))
		return false;
	*beyond = (int64_t)(handed - cn_carried(conn)->made_at);
	return true;
}

bool cn_goodbye_is_early(int fd, const struct iovec *parts, size_t count)
{
	struct cn_conn *conn = cn_conn_at(fd);
	int64_t beyond;

	if (!beyond_goodbye(conn, fd, &beyond) || beyond >= 0 || !is_goodbye_made(conn, parts, count))
		return false;
	if (cn_config.mode == CN_MODE_FIX)
		return cn_carried(conn)->made_early = true;
	if (cn_conn_unwatch_made(conn)) { /* what is only observed reaches nobody there */
		cn_carried(conn)->made = 0;
		atomic_fetch_and(&conn->facts, ~(uint32_t)CN_SAID);
		cn_conn_note(conn, CN_ALERT_PENDING);
	}
	return false;
}

void cn_goodbye_may_follow(int fd)
{
	struct cn_conn *conn = cn_conn_at(fd);
	int64_t beyond;

	if (!beyond_goodbye(conn, fd, &beyond))
		return;
	if (beyond == 0 && cn_carried(conn)->made_early && cn_conn_unwatch_made(conn)) {
		cn_conn_note(conn, CN_ALERT_PENDING); /* the program has not got it to its place */
		cn_send_made(conn, fd, false);
	} else if (beyond > 0 && cn_conn_unwatch_made(conn)) {
		cn_carried(conn)->made = 0;
	}
}
