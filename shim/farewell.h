/* SPDX-License-Identifier: MIT
 * Carries a plan out: alert into memory, deliver, half-close, drain. Invariant: never blocks, never raises a
 * signal, decides nothing. */
#ifndef CN_FAREWELL_H
#define CN_FAREWELL_H

#include "conn.h"
#include "kernel.h"
#include "policy.h"

/* What became of it. */
struct cn_farewell {
	bool alert_sent; /* the kernel has taken the whole alert */
	bool half_closed;
	bool drained; /* nothing is left unread */
	bool heard;   /* something was: close() would have reset */
	bool lingers; /* the background has taken it over */
	bool at_risk; /* what was written may still be lost if the socket is closed now */
	bool talking; /* and so until the peer has ended, for it was still sending */
};

/* The caller has claimed the connection, checked that fd is its socket, and lets the session live until this
 * returns. `silent`: the program's TLS callbacks must not run. errno is clobbered. */
struct cn_farewell cn_say_farewell(struct cn_conn *conn, int fd, const struct cn_plan *plan,
				   const struct cn_socket *socket, bool silent);

#endif
