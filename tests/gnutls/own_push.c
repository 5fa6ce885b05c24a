/* SPDX-License-Identifier: MIT
 * A push function of its own; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	struct party_pipe pipe;

	party_session(&p);
	party_pipes(&p, &pipe);
	gnutls_transport_set_push_function(p.session, party_push);
	party_speak(&p);
	return party_ends(&p);
}
