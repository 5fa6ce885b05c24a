/* SPDX-License-Identifier: MIT
 * SSL_free, close, over a unix socket instead of TCP. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	pid_t carrier;

	r.fd = rude_unix(r.fd, &carrier);
	rude_speak(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
