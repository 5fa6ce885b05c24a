/* SPDX-License-Identifier: MIT
 * Prepares the session for its next connection, by SSL_set_session or SSL_set_ssl_method, before it has said goodbye on this
 * one: OpenSSL has forgotten by then how it encrypts.
 *
 *     method_set_again PORT TLS N HOW     HOW: session, method */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	SSL_SESSION *session = SSL_get1_session(r.ssl);

	if (argc > 4 && !strcmp(argv[4], "method"))
		TELL(SSL_set_ssl_method(r.ssl, TLS_method()));
	else
		TELL(SSL_set_session(r.ssl, session));
	SSL_free(r.ssl);
	SSL_SESSION_free(session);
	close(r.fd);
	return 0;
}
