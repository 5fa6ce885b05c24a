/* SPDX-License-Identifier: MIT
 * SSL_shutdown twice on a non-blocking socket: the second says WANT_READ; SSL_free, close nevertheless. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	rude_nonblocking(r.fd);
	TELL(SSL_shutdown(r.ssl));
	TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
