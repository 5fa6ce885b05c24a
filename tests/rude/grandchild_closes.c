/* SPDX-License-Identifier: MIT
 * The child of a child closes its copy of the descriptor and exits; the others go on or exit. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = fork(), grandchild;

	if (!child) {
		grandchild = fork();
		if (!grandchild) {
			TELL(close(r.fd));
			exit(0);
		}
		rude_wait_for(grandchild);
		exit(0);
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
