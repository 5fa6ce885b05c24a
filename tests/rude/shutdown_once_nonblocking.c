/* SPDX-License-Identifier: MIT
 * SSL_shutdown once on a non-blocking socket; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	rude_nonblocking(r.fd);
	TELL(SSL_shutdown(r.ssl));
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
