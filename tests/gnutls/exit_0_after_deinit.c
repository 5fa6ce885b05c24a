/* SPDX-License-Identifier: MIT
 * gnutls_deinit, and the descriptor is left to exit. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL_VOID(gnutls_deinit(p.session));
	return 0;
}
