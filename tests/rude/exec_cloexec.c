/* SPDX-License-Identifier: MIT
 * exec, which closes the descriptor. Nobody may say goodbye: exec could have failed. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	if (fcntl(r.fd, F_SETFD, FD_CLOEXEC))
		rude_fail("FD_CLOEXEC");
	execl("/bin/true", "true", (char *)NULL);
	return 99;
}
