/* SPDX-License-Identifier: MIT
 * A session of GnuTLS, then one of OpenSSL, and exit(0) with both connections open. */
#define WITH_OPENSSL
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);

	party_session(&p);
	gnutls_transport_set_int(p.session, p.r.fd);
	party_speak(&p);
	rude_meet(argc, argv);
	return 0;
}
