/* SPDX-License-Identifier: MIT
 * gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	return party_ends(&p);
}
