/* SPDX-License-Identifier: MIT
 * gnutls_bye(SHUT_RDWR) once, on a socket that does not block: E_AGAIN; gnutls_deinit, close. It has said it. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	rude_nonblocking(p.r.fd);
	TELL(gnutls_bye(p.session, GNUTLS_SHUT_RDWR));
	return party_ends(&p);
}
