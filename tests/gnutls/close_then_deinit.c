/* SPDX-License-Identifier: MIT
 * close, gnutls_deinit. wget, when it keeps no connection. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(close(p.r.fd));
	TELL_VOID(gnutls_deinit(p.session));
	return 0;
}
