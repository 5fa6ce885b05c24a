/* SPDX-License-Identifier: MIT
 * A forked child closes all from 3 up; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = fork();

	if (!child) {
		TELL_VOID(closefrom(3));
		rude_vanish();
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
