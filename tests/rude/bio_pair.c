/* SPDX-License-Identifier: MIT
 * A BIO pair between session and socket, emptied and filled by the program; SSL_free, close. Boost.Asio,
 * Postfix. */
#include "rude.h"

/* One step: from the session to the socket, or the other way. */
static void pump(BIO *outer, int fd)
{
	char bytes[16384];
	int size = BIO_read(outer, bytes, sizeof(bytes));

	if (size > 0 && send(fd, bytes, (size_t)size, 0) != size)
		rude_fail("send");
	if (size > 0)
		return;
	size = (int)recv(fd, bytes, sizeof(bytes), 0);
	if (size <= 0 || BIO_write(outer, bytes, size) != size)
		rude_fail("recv");
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO *inner, *outer;

	BIO_new_bio_pair(&inner, 1 << 17, &outer, 1 << 17);
	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, inner, inner);
	while (SSL_do_handshake(r.ssl) != 1)
		pump(outer, r.fd);
	rude_write(r.ssl, r.n);
	while (BIO_ctrl_pending(outer))
		pump(outer, r.fd);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	BIO_free(outer);
	SSL_CTX_free(r.ctx);
	return 0;
}
