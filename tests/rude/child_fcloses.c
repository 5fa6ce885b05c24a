/* SPDX-License-Identifier: MIT
 * A forked child closes its copy by way of a stdio stream; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pid_t child = fork();

	if (!child) {
		TELL(fclose(fdopen(r.fd, "r+")));
		rude_vanish();
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
