/* SPDX-License-Identifier: MIT
 * The certificate is refused with a fatal alert; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int ret;

	SSL_CTX_set_verify(r.ctx, SSL_VERIFY_PEER, NULL); /* and nobody is trusted */
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	ret = SSL_connect(r.ssl);
	printf("SSL_connect = %d SSL_get_error %d\n", ret, SSL_get_error(r.ssl, ret));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
