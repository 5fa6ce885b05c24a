/* SPDX-License-Identifier: MIT
 * SSL_MODE_ASYNC: libssl runs each call as a job on a stack of its own; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);

	SSL_CTX_set_mode(r.ctx, SSL_MODE_ASYNC);
	rude_speak(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
