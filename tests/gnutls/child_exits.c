/* SPDX-License-Identifier: MIT
 * A child just exits; the parent goes on. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	pid_t child = fork();

	if (!child)
		exit(0);
	rude_wait_for(child);
	return party_goes_on(&p);
}
