/* SPDX-License-Identifier: MIT
 * A child for each connection: it shakes hands, speaks, and just exits. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	pid_t child = fork();

	if (!child) {
		party_session(&p);
		gnutls_transport_set_int(p.session, p.r.fd);
		party_speak(&p);
		exit(0);
	}
	TELL(close(p.r.fd));
	rude_wait_for(child);
	return 0;
}
