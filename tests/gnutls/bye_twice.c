/* SPDX-License-Identifier: MIT
 * gnutls_bye twice: GnuTLS says it twice. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	return party_ends(&p);
}
