/* SPDX-License-Identifier: MIT
 * dup, close of the copy, N bytes more, SSL_free, close: the first close is no end. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(close(dup(r.fd)));
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
