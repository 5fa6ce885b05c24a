/* SPDX-License-Identifier: MIT
 * A client that asks for a server by name; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);

	party_session(&p);
	if (!p.r.server && gnutls_server_name_set(p.session, GNUTLS_NAME_DNS, "www.example", 11))
		rude_fail("server name");
	gnutls_transport_set_int(p.session, p.r.fd);
	party_speak(&p);
	return party_ends(&p);
}
