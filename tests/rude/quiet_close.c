/* SPDX-License-Identifier: MIT
 * Quiet shutdown set for the whole context, SSL_shutdown never called; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);

	SSL_CTX_set_quiet_shutdown(r.ctx, 1);
	rude_speak(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
