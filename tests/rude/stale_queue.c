/* SPDX-License-Identifier: MIT
 * Old errors lie in OpenSSL's queue, of the system and of libssl, and nobody clears it; reads to the peer's end; SSL_free, close.
 * With "blocks" the socket does not block. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	struct pollfd readable = {.fd = r.fd, .events = POLLIN};
	char bytes[4096];
	int got;

	BIO_free(BIO_new_file("/nonexistent/file", "r"));
	if (argc > 4)
		rude_nonblocking(r.fd);
	while ((got = SSL_read(r.ssl, bytes, sizeof(bytes))) > 0 || (argc > 4 && !(SSL_get_shutdown(r.ssl))))
		poll(&readable, 1, -1);
	printf("SSL_read = %d, SSL_get_error = %d\n", got, SSL_get_error(r.ssl, got));
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
