/* SPDX-License-Identifier: MIT
 * close, SSL_shutdown, SSL_free: the number is nobody's. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int ret;

	TELL(close(r.fd));
	errno = 0;
	ret = SSL_shutdown(r.ssl);
	printf("SSL_shutdown = %d errno %d SSL_get_error %d\n", ret, errno, SSL_get_error(r.ssl, ret));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
