/* SPDX-License-Identifier: MIT
 * shutdown(SHUT_RDWR), close, SSL_free. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(shutdown(r.fd, SHUT_RDWR));
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
