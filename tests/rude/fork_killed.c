/* SPDX-License-Identifier: MIT
 * A fork child is killed before it has run a line of the program's code; then SSL_free, close. */
#include "rude.h"

static pid_t parent;

/* In the place of libc's: the library's first words in a child. */
pid_t getpid(void)
{
	pid_t self = (pid_t)rude_raw(SYS_getpid, 0);

	if (parent && self != parent)
		rude_raw(SYS_exit_group, 0);
	return self;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child;

	parent = getpid();
	child = fork();
	if (!child)
		rude_vanish();
	rude_wait_for(child);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
