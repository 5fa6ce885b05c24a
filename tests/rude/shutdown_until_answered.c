/* SPDX-License-Identifier: MIT
 * A careful program with an event loop and another thread: SSL_shutdown until the peer has answered, waiting for what
 * SSL_get_error asks for. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int ret, error;

	rude_has_threads();
	rude_nonblocking(r.fd);
	while ((ret = SSL_shutdown(r.ssl)) < 1) {
		struct pollfd wanted = {.fd = r.fd};

		if (ret == 0)
			continue;
		error = SSL_get_error(r.ssl, ret);
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
			printf("SSL_shutdown: error %d\n", error);
			break;
		}
		wanted.events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		poll(&wanted, 1, -1);
	}
	printf("SSL_shutdown: %d\n", ret);
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
