/* SPDX-License-Identifier: MIT
 * One step of the handshake (client: its hello; server: its answer), then SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO *heard = BIO_new(BIO_s_mem()); /* what comes from the socket in the meantime is not heard */
	char hello[4096];
	ssize_t size;

	r.ssl = rude_session(&r);
	SSL_set0_rbio(r.ssl, heard);
	SSL_set0_wbio(r.ssl, BIO_new_socket(r.fd, BIO_NOCLOSE));
	if (r.server) {
		size = recv(r.fd, hello, sizeof(hello), 0);
		BIO_write(heard, hello, (int)size);
	}
	if (SSL_do_handshake(r.ssl) != -1 || SSL_want(r.ssl) != SSL_READING)
		rude_fail("WANT_READ");
	rude_flushed(r.fd);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
