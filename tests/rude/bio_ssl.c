/* SPDX-License-Identifier: MIT
 * BIO_new_ssl_connect, BIO_free_all: libssl frees the session and closes the descriptor. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	char letters[10000], host[32];
	BIO *bio;

	r.ctx = rude_context(&r);
	bio = BIO_new_ssl_connect(r.ctx);
	snprintf(host, sizeof(host), "127.0.0.1:%s", r.port);
	memset(letters, 0x61, sizeof(letters));
	BIO_set_conn_hostname(bio, host);
	if (BIO_do_handshake(bio) != 1 || BIO_write(bio, letters, sizeof(letters)) != sizeof(letters))
		rude_fail("BIO");
	TELL_VOID(BIO_free_all(bio));
	SSL_CTX_free(r.ctx);
	return 0;
}
