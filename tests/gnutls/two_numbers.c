/* SPDX-License-Identifier: MIT
 * One number of the socket to read from, another to write to; gnutls_deinit, close of both. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	int to = dup(p.r.fd);

	party_session(&p);
	gnutls_transport_set_int2(p.session, p.r.fd, to);
	party_speak(&p);
	TELL_VOID(gnutls_deinit(p.session));
	TELL(close(to));
	TELL(close(p.r.fd));
	return 0;
}
