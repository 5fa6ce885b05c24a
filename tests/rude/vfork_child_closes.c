/* SPDX-License-Identifier: MIT
 * A vforked child, in the memory of its parent, closes the descriptor and _exits; the parent goes on. */
#include "rude.h"

static __attribute__((noinline)) pid_t start_child(int fd)
{
	pid_t child = vfork();

	if (!child) {
		close(fd);
		_exit(0);
	}
	return child;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	rude_wait_for(start_child(r.fd));
	return rude_goes_on(&r);
}
