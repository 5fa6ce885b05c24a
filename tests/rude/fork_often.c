/* SPDX-License-Identifier: MIT
 * Children by the dozen, one after the other, as of a program that often calls system(); then SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	for (int i = 0; i < 50; i++) {
		pid_t child = fork();

		if (!child)
			rude_vanish();
		rude_wait_for(child);
	}
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
