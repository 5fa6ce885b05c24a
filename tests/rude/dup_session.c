/* SPDX-License-Identifier: MIT
 * SSL_dup (after the handshake: the same session again), SSL_free, N bytes more, SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	SSL *copy = SSL_dup(r.ssl);

	if (!copy)
		rude_fail("SSL_dup");
	TELL_VOID(SSL_free(r.ssl));
	rude_write(copy, r.n);
	TELL_VOID(SSL_free(copy));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
