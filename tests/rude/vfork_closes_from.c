/* SPDX-License-Identifier: MIT
 * A vforked child, in the memory of its parent, closes all from 3 up and execs. Python's subprocess. */
#include "rude.h"

static __attribute__((noinline)) pid_t start_child(void)
{
	pid_t child = vfork();

	if (!child) {
		closefrom(3);
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	return child;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	rude_wait_for(start_child());
	return rude_goes_on(&r);
}
