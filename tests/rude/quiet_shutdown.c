/* SPDX-License-Identifier: MIT
 * Quiet shutdown: SSL_shutdown says nothing, on purpose; SSL_free, close. mysql, links. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	SSL_set_quiet_shutdown(r.ssl, 1);
	TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
