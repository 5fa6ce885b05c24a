/* SPDX-License-Identifier: MIT
 * Reads until SSL_read gives nothing any more, whatever that means; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[4096];
	int got;

	while ((got = SSL_read(r.ssl, bytes, sizeof(bytes))) > 0)
		;
	printf("SSL_get_error = %d\n", SSL_get_error(r.ssl, got));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
