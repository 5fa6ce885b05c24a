/* SPDX-License-Identifier: MIT
 * SSL_free alone: the BIO holds the descriptor with BIO_CLOSE and closes it. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO *bio = BIO_new_socket(r.fd, BIO_CLOSE);

	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, bio, bio);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd)); /* EBADF */
	SSL_CTX_free(r.ctx);
	return 0;
}
