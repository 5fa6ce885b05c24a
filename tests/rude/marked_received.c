/* SPDX-License-Identifier: MIT
 * SSL_set_shutdown(RECEIVED), so that SSL_shutdown does not wait for the peer; SSL_free, close. nginx, Apache, nghttp. With
 * "reads" it then reads, which OpenSSL refuses. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char byte;

	SSL_set_shutdown(r.ssl, SSL_get_shutdown(r.ssl) | SSL_RECEIVED_SHUTDOWN);
	if (argc > 4)
		TELL(SSL_read(r.ssl, &byte, 1));
	else
		TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
