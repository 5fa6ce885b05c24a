/* SPDX-License-Identifier: MIT
 * A child for each connection, as servers do it: it shakes hands, speaks, and just exits. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	pid_t child = fork();

	if (!child) {
		r.ssl = rude_session(&r);
		SSL_set_fd(r.ssl, r.fd);
		rude_shake_hands(r.ssl);
		rude_write(r.ssl, r.n);
		exit(0);
	}
	TELL(close(r.fd));
	rude_wait_for(child);
	return 0;
}
