/* SPDX-License-Identifier: MIT
 * A forked child lives on without a single descriptor, as one does for an instant while it dies; the parent closes. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int empty[2];
	char byte;
	pid_t child;

	if (pipe(empty))
		rude_fail("pipe");
	child = fork();
	if (!child) {
		for (int fd = 0; fd < 1024; fd++)
			rude_raw(SYS_close, fd);
		for (;;)
			pause();
	}
	close(empty[1]);
	if (read(empty[0], &byte, 1)) /* the end: the child has closed it, and all below */
		rude_fail("read");
	TELL(close(r.fd));
	kill(child, SIGKILL);
	return waitpid(child, NULL, 0) != child;
}
