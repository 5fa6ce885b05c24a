/* SPDX-License-Identifier: MIT
 * A forked child puts something else in the place of the descriptor; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = fork();

	if (!child) {
		TELL(dup2(open("/dev/null", O_RDWR), r.fd));
		rude_vanish();
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
