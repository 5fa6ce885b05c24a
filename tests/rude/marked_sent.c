/* SPDX-License-Identifier: MIT
 * SSL_set_shutdown(SENT | what is set already), which keeps the session resumable; SSL_free, close. CPython from 3.13.5 on.
 * With "read" it first reads to the peer's end. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[4096];

	while (argc > 4 && SSL_read(r.ssl, bytes, sizeof(bytes)) > 0)
		;
	SSL_set_shutdown(r.ssl, SSL_SENT_SHUTDOWN | SSL_get_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
