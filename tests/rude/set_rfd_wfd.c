/* SPDX-License-Identifier: MIT
 * Reads from one number and writes to another, both the same socket; SSL_free, close, close. proftpd. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int read_fd = dup(r.fd);

	r.ssl = rude_session(&r);
	SSL_set_rfd(r.ssl, read_fd);
	SSL_set_wfd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	TELL(close(read_fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
