/* SPDX-License-Identifier: MIT
 * close (hooked), the number goes to another TLS connection; SSL_shutdown and SSL_free of the old one then.
 * sofia-sip #131. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	SSL *old = r.ssl;
	int number = r.fd;

	close(r.fd);
	r.fd = rude_tcp(&r);
	if (r.fd != number)
		rude_fail("the number");
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	SSL_shutdown(old);
	TELL_VOID(SSL_free(old));
	ERR_clear_error();
	return rude_goes_on(&r);
}
