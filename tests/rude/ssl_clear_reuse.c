/* SPDX-License-Identifier: MIT
 * SSL_clear, close; the session then goes on to a second connection, and ends that no better. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(SSL_clear(r.ssl));
	TELL(close(r.fd));
	r.fd = rude_tcp(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
