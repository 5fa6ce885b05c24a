/* SPDX-License-Identifier: MIT
 * A record of which a part did not fit; gnutls_deinit, close nevertheless. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	party_fill(&p, 16384);
	printf("%d bytes in whole writes\n", p.r.n);
	return party_ends(&p);
}
