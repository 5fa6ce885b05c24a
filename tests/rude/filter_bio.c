/* SPDX-License-Identifier: MIT
 * A filter between session and socket, which might change or delay bytes; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO *bio = BIO_push(BIO_new(BIO_f_null()), BIO_new_socket(r.fd, BIO_NOCLOSE));

	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, bio, bio);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
