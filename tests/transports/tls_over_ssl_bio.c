/* SPDX-License-Identifier: MIT
 * A tunnel by BIO_f_ssl: an inner session whose BIO is the outer session (BIO_set_ssl). Below such a BIO OpenSSL shows the
 * outer's socket, which is not the inner session's. The inner handshake is given up, the outer session goes on.
 *
 *     tls_over_ssl_bio PORT TLS N END     END: says_goodbye, close_free, free_close */
#include "../rude/rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv), role = {.tls = r.tls};
	const char *end = argc > 4 ? argv[4] : "says_goodbye";
	SSL_CTX *ctx = rude_context(&role);
	SSL *inner = SSL_new(ctx);
	BIO *tunnel = BIO_new(BIO_f_ssl());

	BIO_set_ssl(tunnel, r.ssl, BIO_NOCLOSE);
	SSL_set_bio(inner, tunnel, tunnel);
	fcntl(r.fd, F_SETFL, O_NONBLOCK);
	if (SSL_connect(inner) != -1)
		rude_fail("nobody answers the inner session");
	fcntl(r.fd, F_SETFL, 0);
	SSL_free(inner);
	SSL_CTX_free(ctx);
	if (!strcmp(end, "says_goodbye"))
		return rude_goes_on(&r);
	rude_write(r.ssl, r.n);
	if (!strcmp(end, "close_free"))
		close(r.fd);
	SSL_free(r.ssl);
	if (!strcmp(end, "free_close"))
		close(r.fd);
	return 0;
}
