/* SPDX-License-Identifier: MIT
 * Takes a bare EOF for an end (SSL_OP_IGNORE_UNEXPECTED_EOF, as Python does); SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	char bytes[4096];
	int got;

#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF /* 1.1.1: such programs take SSL_ERROR_SYSCALL without errno for it */
	SSL_CTX_set_options(r.ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
	rude_speak(&r);
	while ((got = SSL_read(r.ssl, bytes, sizeof(bytes))) > 0)
		;
	printf("SSL_get_error = %d\n", SSL_get_error(r.ssl, got));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
