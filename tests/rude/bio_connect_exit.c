/* SPDX-License-Identifier: MIT
 * BIO_new_ssl_connect, exit: the socket is made inside the one call that shakes hands. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	char host[32];
	BIO *bio;

	r.ctx = rude_context(&r);
	bio = BIO_new_ssl_connect(r.ctx);
	snprintf(host, sizeof(host), "127.0.0.1:%s", r.port);
	BIO_set_conn_hostname(bio, host);
	BIO_get_ssl(bio, &r.ssl);
	if (BIO_do_handshake(bio) != 1)
		rude_fail("BIO_do_handshake");
	rude_write(r.ssl, r.n);
	return 0;
}
