/* SPDX-License-Identifier: MIT
 * A child by syscall(SYS_clone) has come and gone before the connection is made: it has no part in it. */
#include "rude.h"

int main(int argc, char **argv)
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	struct rude r;

	if (!child)
		rude_vanish();
	rude_wait_for(child);
	r = rude_meet(argc, argv);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	return 0;
}
