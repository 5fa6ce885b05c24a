/* SPDX-License-Identifier: MIT
 * A vforked child, in the memory of its parent, closes the descriptor and _exits; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = vfork();

	if (!child) {
		close(r.fd);
		_exit(0);
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
