/* SPDX-License-Identifier: MIT
 * SSL_up_ref, SSL_free, N bytes more, SSL_free, close: only the second SSL_free is the end. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(SSL_up_ref(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
