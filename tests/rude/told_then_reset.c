/* SPDX-License-Identifier: MIT
 * The peer has said close_notify and then reset; what the program sends after that fails. OpenSSL calls such an error
 * SSL_ERROR_ZERO_RETURN, as if the peer's end had been read again.
 *
 *     told_then_reset PORT TLS N HOW     HOW: shutdown, write, write_ex */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	const char *how = argc > 4 ? argv[4] : "shutdown";
	struct pollfd gone = {.fd = r.fd};
	char bytes[4096] = {0};
	size_t put;
	int ret;

	while ((ret = SSL_read(r.ssl, bytes, sizeof(bytes))) > 0)
		;
	printf("SSL_read: SSL_get_error %d\n", SSL_get_error(r.ssl, ret));
	if (poll(&gone, 1, -1) != 1)
		rude_fail("poll");
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(how, "write"))
		ret = SSL_write(r.ssl, bytes, 100);
	else if (!strcmp(how, "write_ex"))
		ret = SSL_write_ex(r.ssl, bytes, 100, &put);
	else
		ret = SSL_shutdown(r.ssl);
	printf("%s: %d SSL_get_error %d\n", how, ret, SSL_get_error(r.ssl, ret));
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
