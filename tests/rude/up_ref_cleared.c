/* SPDX-License-Identifier: MIT
 * A careful program with two holders of a session, which is cleared before its first connection is closed and goes on to a second
 * one; there the first holder lets go, and the other goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(SSL_up_ref(r.ssl));
	TELL(SSL_shutdown(r.ssl));
	TELL(SSL_clear(r.ssl));
	TELL(close(r.fd));
	r.fd = rude_tcp(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	return rude_goes_on(&r);
}
