/* SPDX-License-Identifier: MIT
 * With another thread: SSL_write said WANT_WRITE in the middle of a write, SSL_shutdown (which sends nothing) says it too;
 * SSL_free, close. Fails if SSL_get_error has something else to say. */
#include "half_written.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int error;

	rude_has_threads();
	write_until_full(&r);
	error = SSL_get_error(r.ssl, SSL_shutdown(r.ssl));
	printf("SSL_shutdown: error %d\n", error);
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return error != SSL_ERROR_WANT_WRITE;
}
