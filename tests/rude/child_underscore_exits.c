/* SPDX-License-Identifier: MIT
 * A forked child ends by _exit(0); the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = fork();

	if (!child)
		_exit(0);
	rude_wait_for(child);
	return rude_goes_on(&r);
}
