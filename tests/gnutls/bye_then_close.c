/* SPDX-License-Identifier: MIT
 * gnutls_bye(SHUT_WR), gnutls_deinit, close: right. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	return party_ends(&p);
}
