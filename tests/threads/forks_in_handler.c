/* SPDX-License-Identifier: MIT
 * A program forks, and in the middle of that, while the library asks for memory to share with the child, a signal comes,
 * whose handler forks as well, as one that starts a server's children anew; then the program closes.
 *
 *     forks_in_handler PORT TLS N */
#include "rude.h"

#include <sys/mman.h>

static volatile sig_atomic_t is_forking, forked;

/* In the place of libc's. */
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (is_forking && flags & MAP_SHARED) {
		is_forking = 0;
		raise(SIGUSR1);
	}
	return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}

static void fork_too(int signal)
{
	pid_t child = fork();

	(void)signal;
	if (child == 0)
		rude_vanish();
	rude_wait_for(child);
	forked = 1;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child;

	alarm(20); /* it must not wait for itself */
	signal(SIGUSR1, fork_too);
	is_forking = 1;
	if ((child = fork()) == 0)
		rude_vanish();
	rude_wait_for(child);
	printf("forked in a fork: %d\n", (int)forked);
	TELL(close(r.fd));
	rude_vanish();
}
