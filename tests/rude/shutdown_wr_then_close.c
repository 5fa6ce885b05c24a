/* SPDX-License-Identifier: MIT
 * shutdown(SHUT_WR), SSL_free, close: the program sends the FIN itself. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(shutdown(r.fd, SHUT_WR));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
