/* SPDX-License-Identifier: MIT
 * A forked child closes and frees all it has a copy of; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = fork();

	if (!child) {
		TELL(close(r.fd));
		TELL_VOID(SSL_free(r.ssl));
		SSL_CTX_free(r.ctx);
		rude_vanish();
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
