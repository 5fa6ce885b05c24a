/* SPDX-License-Identifier: MIT
 * A key update for which the socket has no room; gnutls_deinit, close nevertheless. TLS 1.3. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	pid_t carrier = party_stalls(&p);
	int ret = gnutls_session_key_update(p.session, 0);

	if (ret != GNUTLS_E_AGAIN)
		party_fail("E_AGAIN", ret);
	TELL_VOID(gnutls_deinit(p.session));
	TELL(close(p.r.fd));
	kill(carrier, SIGCONT);
	return 0;
}
