/* SPDX-License-Identifier: MIT
 * SSL_shutdown after the peer's RST, SIGPIPE left at its default. civetweb, curl #3787. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	struct pollfd gone = {.fd = r.fd};
	socklen_t size = sizeof(int);
	int error, ret;

	if (poll(&gone, 1, -1) != 1 || getsockopt(r.fd, SOL_SOCKET, SO_ERROR, &error, &size) ||
	    error != ECONNRESET)
		rude_fail("ECONNRESET");
	ret = SSL_shutdown(r.ssl);
	printf("SSL_shutdown = %d SSL_get_error %d errno %d\n", ret, SSL_get_error(r.ssl, ret), errno);
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
