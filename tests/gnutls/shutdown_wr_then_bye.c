/* SPDX-License-Identifier: MIT
 * shutdown(SHUT_WR), and only then gnutls_bye, whose alert can raise SIGPIPE. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(shutdown(p.r.fd, SHUT_WR));
	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	return party_ends(&p);
}
