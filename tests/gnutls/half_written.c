/* SPDX-License-Identifier: MIT
 * A write of more than one record of which a part did not fit; gnutls_deinit, close nevertheless. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	party_fill(&p, 1 << 18);
	return party_ends(&p);
}
