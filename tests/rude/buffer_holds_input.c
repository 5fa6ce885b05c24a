/* SPDX-License-Identifier: MIT
 * Reads through OpenSSL's buffer, which has taken more from the socket than the session has asked for: SSL_shutdown, then what
 * the peer sent is read to its end. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO *socket = BIO_new_socket(r.fd, BIO_NOCLOSE);
	BIO *input = BIO_push(BIO_new(BIO_f_buffer()), BIO_new_socket(r.fd, BIO_NOCLOSE));
	char bytes[1000];
	int got = 0, all = 0;

	SSL_CTX_set_tlsext_max_fragment_length(r.ctx,
					       TLSEXT_max_fragment_length_512); /* many records in a buffer */
	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, input, socket);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	while (got < 6000) { /* so that the buffer ends in the middle of a record */
		setsockopt(r.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){got + 1}, sizeof(int));
		if (poll(&(struct pollfd){.fd = r.fd, .events = POLLIN}, 1, -1) < 0 ||
		    ioctl(r.fd, FIONREAD, &got))
			rude_fail("FIONREAD");
	}
	if (SSL_read(r.ssl, bytes, 512) != 512)
		rude_fail("SSL_read");
	TELL(SSL_shutdown(r.ssl));
	while ((got = SSL_read(r.ssl, bytes, sizeof(bytes))) > 0)
		all += got;
	printf("read %d more, then error %d\n", all, SSL_get_error(r.ssl, got));
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
