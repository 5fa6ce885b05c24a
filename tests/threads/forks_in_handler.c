/* SPDX-License-Identifier: MIT
 * A child holds a first connection, which the parent has closed. On a second one the parent forks, and so does a handler of
 * SIGUSR1, as one that starts a server's children anew; then the parent closes.
 *
 *     forks_in_handler PORT TLS N */
#include "rude.h"

static void fork_too(int signal)
{
	(void)signal;
	if (fork() == 0)
		rude_vanish();
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	struct pollfd parent;
	int ends[2], born[2];
	pid_t child;
	char byte;

	alarm(20); /* it must not wait for itself */
	if (pipe(ends) || pipe(born))
		rude_fail("pipe");
	parent = (struct pollfd){.fd = ends[0]};
	if (fork() == 0) {
		close(ends[1]);
		if (write(born[1], "", 1) == 1)
			poll(&parent, 1, 20000);
		rude_vanish();
	}
	if (read(born[0], &byte, 1) != 1)
		rude_fail("read");
	close(r.fd);
	r.fd = rude_tcp(&r);
	rude_speak(&r);
	signal(SIGUSR1, fork_too);
	if ((child = fork()) == 0)
		rude_vanish();
	rude_wait_for(child);
	TELL(close(r.fd));
	rude_vanish();
}
