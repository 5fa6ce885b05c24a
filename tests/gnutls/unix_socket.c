/* SPDX-License-Identifier: MIT
 * A unix socket instead of TCP; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	pid_t carrier;

	p.r.fd = rude_unix(p.r.fd, &carrier);
	party_session(&p);
	gnutls_transport_set_int(p.session, p.r.fd);
	party_speak(&p);
	TELL_VOID(gnutls_deinit(p.session));
	TELL(close(p.r.fd));
	rude_wait_for(carrier);
	return 0;
}
