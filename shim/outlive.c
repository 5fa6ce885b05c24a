/* SPDX-License-Identifier: MIT
 * What must go on when the program has let go of a socket. Invariant: the program never waits.
 *
 * Data that comes in after close() makes the kernel answer RST and throw the send queue away. A filter that cuts the payload
 * off each segment leaves nothing that could cause that, and what was written is delivered by the kernel alone: after close,
 * after exit, after exec, after SIGKILL. */
#include "outlive.h"
#include "background.h"
#include "config.h"
#include "kernel.h"
#include "watch.h"

#include <errno.h>

/* In this process no socket gets a filter: a sandbox refuses, or the kernel is too old. What a single socket refuses (MPTCP,
 * SO_LOCK_FILTER) says nothing of the next. */
static _Atomic bool refused;

/* Linux from August 2026 on wants CAP_NET_ADMIN, which a program may lose, gain and regain. So that it does not ask in vain at each end, it
 * is spared so many: if the background delivers. Where nobody else would, the kernel is asked in any case. */
#define SPARED 64
static _Atomic int spared;

static bool is_spared(void)
{
	return atomic_load_explicit(&spared, memory_order_relaxed) > 0 && atomic_fetch_sub(&spared, 1) > 0;
}

bool cn_kernel_delivers(struct cn_conn *conn, int fd)
{
	int error;

	if (cn_conn_has(conn, CN_REFUSES_INPUT))
		return true;
	if (atomic_load_explicit(&refused, memory_order_relaxed))
		return false;
	error = cn_socket_refuse_input(fd);
	if (error) {
		if (error == ENOSYS || error == ENOPROTOOPT || error == EACCES)
			atomic_store(&refused, true);
		if (error == EPERM && !cn_socket_filter_is_locked(fd))
			atomic_store(&spared, SPARED);
		return false;
	}
	if (atomic_load_explicit(&spared, memory_order_relaxed))
		atomic_store(&spared, 0);
	cn_conn_note(conn, CN_REFUSES_INPUT);
	if (cn_config.timeout_set && cn_config.timeout_ms)
		cn_socket_limit(fd, cn_config.timeout_ms);
	return true;
}

static bool background_delivers(struct cn_conn *conn, int fd, bool talking)
{
	if (!cn_background_adopt(fd, conn->cookie, conn->rest, conn->rest_length, talking))
		return false;
	cn_watch_ends(fd);
	cn_watch_ends_as(fd, conn->fd);
	cn_watch_ends_as(fd, conn->closed_before);
	return true;
}

enum cn_delivery cn_outlive(struct cn_conn *conn, int fd, enum cn_cause cause, const struct cn_socket *socket,
			    struct cn_farewell *done)
{
	/* A descriptor that stays, a process that ends, a close() that the program wants to wait (SO_LINGER), a socket that
	 * is shut for reading: none of them can be handed over. */
	bool can_hand_over = cause != CN_CAUSE_SHUTDOWN_BOTH && cause != CN_CAUSE_EXIT &&
			     socket->wait_s == 0 && !cn_conn_has(conn, CN_INPUT_SHUT);
	bool at_once =
		can_hand_over && (done->talking || conn->rest_length ||
				  (done->at_risk && !cn_conn_has(conn, CN_REFUSES_INPUT) && is_spared()));
	bool kernel;

	if (at_once && background_delivers(conn, fd, done->talking))
		return CN_DELIVERY_BACKGROUND;
	if (!done->at_risk)
		return CN_DELIVERY_NOTHING;
	kernel = cn_kernel_delivers(conn, fd);
	if (!kernel && can_hand_over && !at_once && background_delivers(conn, fd, false))
		return CN_DELIVERY_BACKGROUND;
	if (cause != CN_CAUSE_SHUTDOWN_BOTH)
		done->drained = cn_socket_drain(fd, true, NULL); /* what came in before the filter stood */
	return kernel ? CN_DELIVERY_KERNEL : CN_DELIVERY_UNGUARDED;
}
