/* SPDX-License-Identifier: MIT
 * A child by raw system call (no atfork handler runs) frees, closes and exits; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child =
		(pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); /* what SYS_fork is, where there is one */

	if (!child) {
		TELL_VOID(SSL_free(r.ssl));
		TELL(close(r.fd));
		exit(0);
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
