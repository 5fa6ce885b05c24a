/* SPDX-License-Identifier: MIT
 * close by raw system call, the number goes to another TLS connection, which ends before the old session. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	SSL *old = r.ssl;
	int number = r.fd;

	rude_raw(SYS_close, r.fd);
	r.fd = rude_tcp(&r);
	if (r.fd != number)
		rude_fail("the number");
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	TELL_VOID(SSL_free(old));
	SSL_CTX_free(r.ctx);
	return 0;
}
