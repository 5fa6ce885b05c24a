/* SPDX-License-Identifier: MIT
 * A careful program whose session moves to other numbers of its socket after the handshake: dup2, SSL_set_rfd, SSL_set_wfd,
 * close of the first; it goes on and ends properly. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	if (dup2(r.fd, 50) < 0 || dup2(r.fd, 51) < 0)
		rude_fail("dup2");
	SSL_set_rfd(r.ssl, 50);
	SSL_set_wfd(r.ssl, 51);
	close(r.fd);
	rude_write(r.ssl, r.n);
	TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(50));
	TELL(close(51));
	SSL_CTX_free(r.ctx);
	return 0;
}
