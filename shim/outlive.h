/* SPDX-License-Identifier: MIT
 * What must go on when the program has let go of a socket: its bytes are still to be delivered. Invariant: the program
 * never waits. */
#ifndef CN_OUTLIVE_H
#define CN_OUTLIVE_H

#include "farewell.h"

/* The kernel delivers what was written, and refuses what comes in from now on: the filter stands on the socket. False: it does not take one. The
 * caller has claimed the connection. errno is clobbered. */
bool cn_kernel_delivers(struct cn_conn *conn, int fd);

/* Sees to it that what was written to `fd` arrives although the program is about to close it (or to shut it for reading), as `done`
 * says that it may not. Mostly the kernel does that, by a filter on the socket; a socket that must still be read, or takes a
 * rest of our alert, goes to the background thread. The caller has claimed the connection. errno is clobbered. */
enum cn_delivery cn_outlive(struct cn_conn *conn, int fd, enum cn_cause cause, const struct cn_socket *socket,
			    struct cn_farewell *done);

#endif
