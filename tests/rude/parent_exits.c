/* SPDX-License-Identifier: MIT
 * The parent returns from main, a forked child goes on speaking. A daemon by hand. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int line[2];
	char end;
	pid_t child;

	if (pipe(line) || (child = fork()) < 0)
		rude_fail("fork");
	if (child)
		return 0;
	close(line[1]);
	return read(line[0], &end, 1) == 0 ? rude_goes_on(&r) : 99; /* EOF: the parent is gone */
}
