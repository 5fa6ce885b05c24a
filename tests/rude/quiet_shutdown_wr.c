/* SPDX-License-Identifier: MIT
 * SSL_set_shutdown(SENT | RECEIVED), SSL_free, shutdown(SHUT_WR), close: openssl s_server 1.1.1 with -www and -WWW. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	SSL_set_shutdown(r.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	TELL_VOID(SSL_free(r.ssl));
	TELL(shutdown(r.fd, SHUT_WR));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
