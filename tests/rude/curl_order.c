/* SPDX-License-Identifier: MIT
 * No sin: OPENSSL_init_ssl first of all, SSL_shutdown, SSL_set_connect_state (which makes the session look fresh), SSL_free, close. curl. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r;

	OPENSSL_init_ssl(0, NULL);
	r = rude_meet(argc, argv);
	TELL(SSL_shutdown(r.ssl));
	SSL_set_connect_state(r.ssl);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
