/* SPDX-License-Identifier: MIT
 * The kernel encrypts (SSL_OP_ENABLE_KTLS); SSL_free, close. Exit status 77: this kernel or OpenSSL has no
 * kTLS. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);

#ifdef SSL_OP_ENABLE_KTLS
	SSL_CTX_set_options(r.ctx, SSL_OP_ENABLE_KTLS);
#endif
	rude_speak(&r);
#ifdef BIO_get_ktls_send
	if (BIO_get_ktls_send(SSL_get_wbio(r.ssl)) <= 0)
#endif
		return 77;
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
