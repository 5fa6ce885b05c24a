/* SPDX-License-Identifier: MIT
 * A vforked child, in the memory of its parent, puts something else on the number and execs. */
#include "rude.h"

static __attribute__((noinline)) pid_t start_child(int fd, int other)
{
	pid_t child = vfork();

	if (!child) {
		dup2(other, fd);
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	return child;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	rude_wait_for(start_child(r.fd, open("/dev/null", O_RDWR)));
	return rude_goes_on(&r);
}
