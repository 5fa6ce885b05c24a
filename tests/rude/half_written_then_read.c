/* SPDX-License-Identifier: MIT
 * SSL_write said WANT_WRITE in the middle of a write, an SSL_read came after it; close, SSL_free. */
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
	char byte;

	write_until_full(&r);
	if (SSL_read(r.ssl, &byte, 1) > 0 || SSL_want(r.ssl) != SSL_READING)
		rude_fail("WANT_READ");
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
