/* SPDX-License-Identifier: MIT
 * SO_LINGER {on, 0}: the program asks for RST; SSL_free, close. Twisted's abortConnection. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	struct linger now = {.l_onoff = 1};

	rude_flushed(r.fd);
	setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
