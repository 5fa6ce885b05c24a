/* SPDX-License-Identifier: MIT
 * close, and only then gnutls_bye. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(close(p.r.fd));
	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	TELL_VOID(gnutls_deinit(p.session));
	return 0;
}
