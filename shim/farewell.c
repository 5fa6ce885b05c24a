/* SPDX-License-Identifier: MIT
 * Carries a plan out. Invariant: never blocks, never raises a signal, decides nothing. */
#include "farewell.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define WMEM_MAX 212992 /* the kernel's default for net.core.wmem_max */

/* A send buffer that is full to the brim can often be widened by the few bytes of an alert. What was given by
 * a larger limit must not be made smaller, so only up to the usual wmem_max. */
static bool widen(int fd, size_t by)
{
	int size = 0, wanted;
	socklen_t length = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length))
		return false;
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

/* What did not fit is kept: it goes at close, or with the socket to the background. */
static void keep_rest(struct cn_conn *conn, const unsigned char *bytes, size_t length)
{
	if (!conn->rest)
		conn->rest = cn_map(CN_REST_MOST);
	if (!conn->rest || length > CN_REST_MOST)
		return;
	memcpy(conn->rest, bytes, length);
	conn->rest_length = (uint32_t)length;
}

static bool send_alert(struct cn_conn *conn, int fd, const struct cn_seal *how, bool fin_follows,
		       const struct cn_socket *before)
{
	struct cn_sealed sealed;
	size_t sent;

	cn_conn_note(conn, CN_TRIED);
	if (!conn->tls->ops->seal(conn->tls, atomic_load(&conn->session), how, &sealed))
		return false;
	sent = deliver(fd, sealed.bytes, sealed.length, fin_follows);
	conn->handed += sent; /* the session does not count it */
	if (sent < sealed.length && !cn_socket_over(errno))
		keep_rest(conn, sealed.bytes + sent, sealed.length - sent);
	if (sent == sealed.length || conn->rest_length)
		cn_conn_note(conn, CN_SAID_BY_SHIM);
	if (before->tcp && !before->owing && !how->unfinished)
		conn->goodbye = before->handed + sealed.length;
	conn->tls->ops->unseal(conn->tls, &sealed);
	return sent == sealed.length;
}

static void send_rest(struct cn_conn *conn, int fd)
{
	size_t sent = deliver(fd, conn->rest, conn->rest_length, true);

	conn->handed += sent;
	conn->rest_length -= (uint32_t)sent;
	if (conn->rest_length && cn_socket_over(errno))
		conn->rest_length = 0;
	memmove(conn->rest, conn->rest + sent, conn->rest_length);
}

/* Data that comes in after close() is answered by RST, which throws our send queue away; after the peer's FIN
 * none can come. Only what was under way before the goodbye counts: the goodbye itself, once sent, is ahead
 * of any RST. */
static bool at_risk(const struct cn_conn *conn, int fd, const struct cn_socket *before)
{
	bool goodbye_alone = conn->goodbye && before->handed == conn->goodbye;

	if (before->reset)
		return false;
	return conn->rest_length || (before->tcp && before->owing && !goodbye_alone && !before->peer_shut &&
				     cn_socket_unacked(fd) > 0);
}

/* A server that answers before it has read the whole request: what comes after close() is answered by RST, the client's
 * write fails, and many then never read. Whether more is to come can't be known; a server that says goodbye itself is
 * trusted to know unless something lies unread. */
static bool is_talking(const struct cn_conn *conn, const struct cn_socket *before, bool heard)
{
	return cn_conn_has(conn, CN_SERVER) && before->tcp && !before->reset && !before->peer_shut &&
	       !cn_conn_has(conn, CN_PEER_CLOSED | CN_INPUT_SHUT) &&
	       (heard || cn_conn_has(conn, CN_UNREAD | CN_SAID_BY_SHIM));
}

struct cn_farewell cn_say_farewell(struct cn_conn *conn, int fd, const struct cn_plan *plan,
				   const struct cn_socket *socket, bool fin_follows)
{
	struct cn_farewell done = {0};

	if (plan->alert)
		done.alert_sent = send_alert(conn, fd,
					     &(struct cn_seal){
						     .begun = cn_conn_has(conn, CN_ALERT_PENDING),
						     .unfinished = plan->finish_write ? conn->unfinished : 0,
					     },
					     fin_follows, socket);
	else if (plan->half_close && conn->rest_length)
		send_rest(conn, fd);
	if (plan->half_close && !conn->rest_length) /* else FIN follows the rest */
		done.half_closed = socket->write_shut || shutdown(fd, SHUT_WR) == 0;
	/* close() with unread input makes the kernel send RST and drop the send queue. */
	if (plan->drain) {
		done.drained = cn_socket_drain(fd, socket->tcp, &done.heard);
		done.talking = plan->half_close && is_talking(conn, socket, done.heard);
	}
	if (plan->drain || plan->refuse_input)
		done.at_risk = at_risk(conn, fd, socket);
	return done;
}
