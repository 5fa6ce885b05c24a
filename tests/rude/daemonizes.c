/* SPDX-License-Identifier: MIT
 * fork, setsid, fork, both parents _exit(0): the grandchild goes on speaking. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int line[2];
	char end;

	if (pipe(line))
		rude_fail("pipe");
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	close(line[1]);
	return read(line[0], &end, 1) == 0 ? rude_goes_on(&r) : 99; /* EOF: both are gone */
}
