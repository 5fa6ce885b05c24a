/* SPDX-License-Identifier: MIT
 * SSL_write said WANT_WRITE in the middle of a write, an SSL_read came after it; close, SSL_free. */
#include "half_written.h"

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
