/* SPDX-License-Identifier: MIT
 * Non-blocking SSL_write said WANT_WRITE in the middle of a write; SSL_free, close nevertheless. */
#include "rude.h"

/* Writes until the socket takes only a part; what is left is more than one record. */
static void write_until_full(struct rude *r)
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

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	write_until_full(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
