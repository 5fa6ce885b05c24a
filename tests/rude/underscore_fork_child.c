/* SPDX-License-Identifier: MIT
 * A child by _Fork (no atfork handler runs) frees, closes and exits; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = _Fork();

	if (!child) {
		TELL_VOID(SSL_free(r.ssl));
		TELL(close(r.fd));
		exit(0);
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
