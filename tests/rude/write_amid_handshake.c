/* SPDX-License-Identifier: MIT
 * SSL_write amid a renegotiation, which wants to read first; the handshake is finished, the write never tried again. SSL_shutdown,
 * SSL_free, close: all right, as far as the wire goes. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	BIO *wire = SSL_get_wbio(r.ssl), *held = BIO_new(BIO_s_mem());
	struct pollfd more = {.fd = r.fd, .events = POLLIN};
	char *bytes;
	long length;
	int ret;

	rude_nonblocking(r.fd);
	SSL_renegotiate(r.ssl);
	/* The peer's answer can't be there yet: its question has not been sent. */
	BIO_up_ref(wire);
	BIO_up_ref(held);
	SSL_set0_wbio(r.ssl, held);
	ret = SSL_write(r.ssl, "late", 4);
	if (SSL_get_error(r.ssl, ret) != SSL_ERROR_WANT_READ)
		rude_fail("SSL_write");
	SSL_set0_wbio(r.ssl, wire);
	length = BIO_get_mem_data(held, &bytes);
	if (send(r.fd, bytes, (size_t)length, 0) != length)
		rude_fail("send");
	BIO_free(held);
	while ((ret = SSL_do_handshake(r.ssl)) < 0 && SSL_get_error(r.ssl, ret) == SSL_ERROR_WANT_READ)
		poll(&more, 1, -1);
	if (ret != 1)
		rude_fail("renegotiation");
	TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
