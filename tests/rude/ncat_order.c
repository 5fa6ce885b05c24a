/* SPDX-License-Identifier: MIT
 * shutdown(SHUT_WR) first, so that SSL_shutdown comes too late; SSL_free, close. ncat. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	signal(SIGPIPE, SIG_IGN);
	TELL(shutdown(r.fd, SHUT_WR));
	SSL_shutdown(r.ssl);
	ERR_clear_error(); /* from 3.2 on, EPIPE stands there: the fault itself, which is to go */
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
