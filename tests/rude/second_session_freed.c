/* SPDX-License-Identifier: MIT
 * A second session is tried on the socket of a living one, finds nothing to read, and is freed. The first makes no further
 * call but its end.
 *
 *     second_session_freed PORT TLS N HOW     HOW: free (SSL_free, close), close (close, SSL_free), both (close with both
 *                                             sessions living), last (the first session is freed first) */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv), other = {.tls = r.tls, .server = true};
	const char *how = argc > 4 ? argv[4] : "free";
	SSL *second;

	other.ctx = rude_context(&other);
	second = rude_session(&other);
	SSL_set_fd(second, r.fd);
	fcntl(r.fd, F_SETFL, O_NONBLOCK);
	TELL(SSL_get_error(second, SSL_do_handshake(second)));
	fcntl(r.fd, F_SETFL, 0);
	if (!strcmp(how, "both"))
		TELL(close(r.fd));
	if (!strcmp(how, "last"))
		SSL_free(r.ssl);
	SSL_free(second);
	if (!strcmp(how, "close"))
		TELL(close(r.fd));
	if (strcmp(how, "last"))
		SSL_free(r.ssl);
	if (!strcmp(how, "free") || !strcmp(how, "last"))
		TELL(close(r.fd));
	return 0;
}
