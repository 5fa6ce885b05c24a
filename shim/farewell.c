/* SPDX-License-Identifier: MIT
 * Carries a plan out. Invariant: never blocks, never raises a signal, decides nothing. */
#include "farewell.h"
#include "libc.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#define AN_ALERT 128    /* bytes, of most */
#define WMEM_MAX 212992 /* the kernel's default for net.core.wmem_max */

/* A full send buffer can often be widened by the few bytes of an alert. It may hold more than its size: the kernel fills a segment
 * that is begun, of 64 KB at most. SO_SNDBUF must not make a buffer smaller that was given under a larger limit, so this goes up
 * to the usual wmem_max only. */
static bool widen(int fd, size_t by)
{
	int size = 0, wanted, memory[SK_MEMINFO_VARS] = {0};
	socklen_t length = sizeof(size), room = sizeof(memory);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length))
		return false;
	if (!getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &room) && memory[SK_MEMINFO_WMEM_QUEUED] > size)
		size = memory[SK_MEMINFO_WMEM_QUEUED];
	wanted = size / 2 + 4096 + (int)by; /* the kernel reports twice what was set */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) == 0)
		return true; /* the privileged have no limit */
	return wanted <= WMEM_MAX && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) == 0;
}

/* Returns how many bytes the kernel took. With MSG_MORE the FIN that follows travels in the same segment; where none follows,
 * the kernel would keep an alert back for 200 ms. */
static size_t deliver(int fd, const unsigned char *bytes, size_t length, bool fin_follows)
{
	int flags = fin_follows ? MSG_MORE : 0;
	size_t sent = cn_socket_send(fd, bytes, length, flags);

	if (sent < length && errno == EAGAIN && widen(fd, length - sent))
		sent += cn_socket_send(fd, bytes + sent, length - sent, flags);
	return sent;
}

/* Keeps what did not fit. It is sent at close, or goes to the background with the socket. */
static void keep_rest(struct cn_conn *conn, const unsigned char *bytes, size_t length)
{
	if (!conn->rest)
		conn->rest = cn_map(CN_REST_MOST);
	if (!conn->rest || length > CN_REST_MOST)
		return;
	memcpy(conn->rest, bytes, length);
	conn->rest_length = (uint32_t)length;
}

/* Bytes of ours for the socket, which the session does not count. */
static void count(struct cn_conn *conn, int64_t bytes)
{
	if (cn_conn_has(conn, CN_MATCHED))
		cn_carried(conn)->handed += (uint64_t)bytes;
}

static bool send_alert(struct cn_conn *conn, int fd, const struct cn_seal *how, bool fin_follows,
		       const struct cn_socket *before)
{
	struct cn_sealed sealed;
	size_t sent;

	cn_conn_note(conn, CN_TRIED);
	if (!conn->tls->ops->seal(conn->tls, atomic_load(&conn->session), how, &sealed)) {
		if (how->unfinished) /* more than one record was left of it */
			conn->unfinished = 0;
		return false;
	}
	sent = deliver(fd, sealed.bytes, sealed.length, fin_follows);
	count(conn, (int64_t)sent);
	if (sent < sealed.length && !cn_socket_over(errno))
		keep_rest(conn, sealed.bytes + sent, sealed.length - sent);
	if (sent == sealed.length || conn->rest_length)
		cn_conn_note(conn, CN_SAID_BY_SHIM);
	if (before->tcp && !before->owing && sealed.length <= before->window && !how->unfinished)
		conn->goodbye = before->handed + sealed.length;
	conn->tls->ops->unseal(conn->tls, &sealed);
	return sent == sealed.length;
}

/* The session has counted it already. */
bool cn_send_made(struct cn_conn *conn, int fd, bool fin_follows)
{
	struct cn_carried *carried = cn_carried(conn);
	size_t length = carried->made, sent = deliver(fd, carried->goodbye_made, length, fin_follows);

	cn_conn_note(conn, CN_TRIED);
	atomic_fetch_and(&conn->facts, ~(uint32_t)CN_SAID);
	cn_conn_unwatch_made(conn);
	carried->made = 0;
	if (sent < length && !cn_socket_over(errno))
		keep_rest(conn, carried->goodbye_made + sent, length - sent);
	count(conn, -(int64_t)conn->rest_length); /* until send_rest adds it */
	if (sent == length || conn->rest_length)
		cn_conn_note(conn, CN_SAID_BY_SHIM);
	return sent == length;
}

static void send_rest(struct cn_conn *conn, int fd)
{
	size_t sent = deliver(fd, conn->rest, conn->rest_length, true);

	count(conn, (int64_t)sent);
	conn->rest_length -= (uint32_t)sent;
	if (conn->rest_length && cn_socket_over(errno))
		conn->rest_length = 0;
	memmove(conn->rest, conn->rest + sent, conn->rest_length);
}

/* Data that comes in after close() is answered by RST, and RST drops our send queue. After the peer's FIN no data can come.
 * Only bytes sent before the goodbye count: the goodbye, once sent, is ahead of any RST. It is not sent where the peer's receive
 * window has no room. */
static bool at_risk(const struct cn_conn *conn, int fd, const struct cn_socket *before)
{
	bool goodbye_alone = conn->goodbye && before->handed == conn->goodbye;

	if (before->reset)
		return false;
	return conn->rest_length || (before->tcp && (before->owing || before->window < AN_ALERT) &&
				     !goodbye_alone && !before->peer_shut && cn_socket_unacked(fd) > 0);
}

/* A server that answers before it has read the whole request: the rest comes after close() and is answered by RST. Then the
 * client's write fails, and many clients do not read the answer any more. Nobody knows whether more will come. A server that
 * says goodbye itself is trusted to know, unless input is unread. */
static bool may_be_talking(const struct cn_conn *conn, const struct cn_socket *before)
{
	return cn_conn_has(conn, CN_SERVER) && before->tcp && !before->reset && !before->peer_shut &&
	       !cn_conn_has(conn, CN_PEER_CLOSED | CN_INPUT_SHUT);
}

static bool is_talking(const struct cn_conn *conn, const struct cn_socket *before, bool heard)
{
	return may_be_talking(conn, before) && (heard || cn_conn_has(conn, CN_UNREAD | CN_SAID_BY_SHIM));
}

struct cn_farewell cn_say_farewell(struct cn_conn *conn, int fd, const struct cn_plan *plan,
				   const struct cn_socket *socket, bool fin_follows)
{
	struct cn_farewell done = {0};

	if (plan->alert && cn_conn_has(conn, CN_MATCHED) && cn_carried(conn)->made &&
	    cn_conn_has(conn, CN_ALERT_PENDING))
		done.alert_sent = cn_send_made(conn, fd, fin_follows);
	else if (plan->alert)
		done.alert_sent = send_alert(conn, fd,
					     &(struct cn_seal){
						     .begun = cn_conn_has(conn, CN_ALERT_PENDING),
						     .unfinished = plan->finish_write ? conn->unfinished : 0,
					     },
					     fin_follows, socket);
	else if (plan->half_close && conn->rest_length)
		send_rest(conn, fd);
	if (plan->half_close && !conn->rest_length) /* with a rest, FIN is sent after it */
		done.half_closed =
			socket->write_shut || (!socket->reset && cn_libc()->shutdown(fd, SHUT_WR) == 0);
	if (plan->drain || plan->refuse_input)
		done.at_risk = at_risk(conn, fd, socket);
	/* close() with unread input makes the kernel send RST and drop the send queue. One that is gone sends nothing, and where bytes are at risk the
	 * input is read when no more can come. */
	if (plan->drain && (conn->label || !socket->reset) &&
	    (!done.at_risk || may_be_talking(conn, socket))) {
		done.drained = cn_socket_drain(fd, socket->tcp, &done.heard);
		done.talking = plan->half_close && is_talking(conn, socket, done.heard);
	}
	return done;
}
