/* SPDX-License-Identifier: MIT
 * One step of the handshake (client: its hello; server: its answer), then SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	struct pollfd hello = {.fd = r.fd, .events = POLLIN};

	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_nonblocking(r.fd);
	if (r.server)
		poll(&hello, 1, -1);
	TELL(SSL_do_handshake(r.ssl));
	rude_flushed(r.fd);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
