/* SPDX-License-Identifier: MIT
 * Carries a plan out: alert into memory, deliver, half-close, drain. Invariant: never blocks, never raises a
 * signal, decides nothing. */
#ifndef CN_FAREWELL_H
#define CN_FAREWELL_H

#include "conn.h"
#include "kernel.h"
#include "policy.h"

/* Who delivers what the peer has not acknowledged when the program's descriptor is gone. */
enum cn_delivery {
	CN_DELIVERY_NOTHING,    /* there is nothing to deliver, or the kernel can't be kept from it */
	CN_DELIVERY_KERNEL,     /* behind a filter that refuses input */
	CN_DELIVERY_BACKGROUND, /* the background thread has it */
	CN_DELIVERY_UNGUARDED, /* the kernel, until data comes in: then it resets, and what is left is lost */
};

/* What became of it. */
struct cn_farewell {
	bool alert_sent; /* the kernel has taken the whole alert */
	bool half_closed;
	bool drained; /* nothing is left unread */
	bool heard;   /* something was: close() would have reset */
	bool at_risk; /* what was written may still be lost if the socket is closed now */
	bool talking; /* the peer was still sending, and may read only when it has been heard out */
	enum cn_delivery delivery;
};

/* The caller has claimed the connection, checked that fd is its socket, and lets the session live until this
 * returns. `fin_follows`: at once, so alert and FIN are to be one segment. errno is clobbered. */
struct cn_farewell cn_say_farewell(struct cn_conn *conn, int fd, const struct cn_plan *plan,
				   const struct cn_socket *socket, bool fin_follows);

/* Sends the program's own goodbye, which it did not carry to the socket: from here on it is ours. True if the kernel has taken it
 * whole. */
bool cn_send_made(struct cn_conn *conn, int fd, bool fin_follows);

#endif
