/* SPDX-License-Identifier: MIT
 * dup, close of the original; back by dup2, N bytes more; only then the end: close, close, SSL_free. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int copy = dup(r.fd);

	TELL(close(r.fd));
	TELL(dup2(copy, r.fd));
	rude_write(r.ssl, r.n);
	TELL(close(r.fd));
	TELL(close(copy));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
