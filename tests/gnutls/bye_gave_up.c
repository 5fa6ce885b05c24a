/* SPDX-License-Identifier: MIT
 * gnutls_bye for whose alert the socket has no room: E_AGAIN; gnutls_deinit, close nevertheless. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	pid_t carrier = party_stalls(&p);
	int ret = gnutls_bye(p.session, GNUTLS_SHUT_WR);

	if (ret != GNUTLS_E_AGAIN)
		party_fail("E_AGAIN", ret);
	TELL_VOID(gnutls_deinit(p.session));
	TELL(close(p.r.fd));
	kill(carrier, SIGCONT);
	return 0;
}
