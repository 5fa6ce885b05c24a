/* SPDX-License-Identifier: MIT
 * Marks its session as ended, keeps the SSL_SESSION for later and takes it out of the connection; SSL_free, close. dig.
 *
 *     session_taken PORT TLS [N [HOW]]    HOW: bye, SSL_shutdown after that */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	bool bye = argc > 4 && !strcmp(argv[4], "bye");

	if (!bye)
		SSL_set_shutdown(r.ssl, SSL_SENT_SHUTDOWN);
	SSL_SESSION_free(SSL_get1_session(r.ssl));
	TELL(SSL_set_session(r.ssl, NULL));
	if (bye)
		TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
