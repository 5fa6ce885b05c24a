/* SPDX-License-Identifier: MIT
 * A write that is left in the middle. */
#ifndef HALF_WRITTEN_H
#define HALF_WRITTEN_H

#include "rude.h"

/* Writes until the socket takes only a part; what is left is more than one record. */
static inline void write_until_full(struct rude *r)
{
	static char letters[1 << 18];
	int small = 8192;

	memset(letters, 'r', sizeof(letters));
	setsockopt(r->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	rude_nonblocking(r->fd);
	while (SSL_write(r->ssl, letters, sizeof(letters)) > 0)
		;
	if (SSL_want(r->ssl) != SSL_WRITING)
		rude_fail("WANT_WRITE");
}

#endif
