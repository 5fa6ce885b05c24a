/* SPDX-License-Identifier: MIT
 * A forked child frees and closes its copy, then makes a connection of its own; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = fork();

	if (!child) {
		SSL_free(r.ssl);
		close(r.fd);
		r.fd = rude_tcp(&r);
		rude_speak(&r);
		SSL_free(r.ssl);
		close(r.fd);
		exit(0);
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
