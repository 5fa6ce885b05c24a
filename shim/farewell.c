/* SPDX-License-Identifier: MIT
 * Carries a plan out. Invariant: never blocks, never raises a signal, decides nothing. */
#include "farewell.h"

#include <sys/socket.h>

#define DRAIN_STEP  (1 << 20)
#define DRAIN_STEPS 64 /* a peer that sends forever is left to the kernel */

/* A send buffer that is full to the brim can often be widened by the few bytes of an alert: wmem_max bounds it, and
 * what a program asked for is never made smaller. */
static bool widen(int fd, size_t by)
{
	int size = 0, wanted;
	socklen_t length = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length))
		return false;
	wanted = size / 2 + 4096 + (int)by; /* the kernel reports twice what was set */
	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) == 0;
}

/* MSG_MORE: the FIN that follows travels in the same segment. */
static bool deliver(int fd, const unsigned char *bytes, size_t length)
{
	bool widened = false;

	while (length) {
		ssize_t put = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);

		if (put > 0) {
			bytes += put;
			length -= (size_t)put;
		} else if (widened || !widen(fd, length)) {
			return false;
		} else {
			widened = true;
		}
	}
	return true;
}

static bool send_alert(struct cn_conn *conn, int fd, bool silent)
{
	struct cn_sealed sealed;
	bool sent;

	cn_conn_note(conn, CN_TRIED);
	if (!conn->tls->ops->seal(conn->tls, atomic_load(&conn->session), silent, &sealed))
		return false;
	sent = deliver(fd, sealed.bytes, sealed.length);
	conn->tls->ops->unseal(conn->tls, &sealed);
	if (sent)
		cn_conn_note(conn, CN_SAID_BY_SHIM);
	return sent;
}

/* close() with unread input makes the kernel send RST and drop the send queue. TCP discards without copying when
 * asked with MSG_TRUNC and no buffer; other families need a place to put it. */
static bool drain(int fd, bool tcp)
{
	char bytes[4096];

	for (int step = 0; step < DRAIN_STEPS; step++) {
		ssize_t got = tcp ? recv(fd, NULL, DRAIN_STEP, MSG_DONTWAIT | MSG_TRUNC)
				  : recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (got <= 0)
			return true;
	}
	return false;
}

struct cn_farewell cn_say_farewell(struct cn_conn *conn, int fd, const struct cn_plan *plan, bool tcp, bool silent)
{
	struct cn_farewell done = {0};

	if (plan->alert)
		done.alert_sent = send_alert(conn, fd, silent);
	if (plan->half_close)
		done.half_closed = shutdown(fd, SHUT_WR) == 0;
	if (plan->drain)
		done.drained = drain(fd, tcp);
	return done;
}
