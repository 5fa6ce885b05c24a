/* SPDX-License-Identifier: MIT
 * Returns from main with the connection open. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	return p.r.fd < 0;
}
