/* SPDX-License-Identifier: MIT
 * daemon(): libc forks and ends the parent by a call that no preload sees; the child goes on speaking. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	if (daemon(1, 1))
		rude_fail("daemon");
	return rude_goes_on(&r);
}
