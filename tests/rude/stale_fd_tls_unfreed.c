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
	rude_speak(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	TELL_VOID(SSL_free(old));
	SSL_CTX_free(r.ctx);
	return 0;
}
