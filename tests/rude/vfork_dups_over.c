/* SPDX-License-Identifier: MIT
 * A vforked child, in the memory of its parent, puts something else on the number and execs. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int other = open("/dev/null", O_RDWR);
	pid_t child = vfork();

	if (!child) {
		dup2(other, r.fd);
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	rude_wait_for(child);
	return rude_goes_on(&r);
}
