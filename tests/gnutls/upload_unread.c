/* SPDX-License-Identifier: MIT
 * Tickets have come and are never read; N bytes to a peer that takes its time; gnutls_deinit, close. TLS 1.3. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	struct pollfd tickets = {.fd = p.r.fd, .events = POLLIN};

	party_session(&p);
	gnutls_transport_set_int(p.session, p.r.fd);
	party_shake_hands(&p);
	if (poll(&tickets, 1, -1) != 1)
		rude_fail("tickets");
	party_write(&p, p.r.n);
	return party_ends(&p);
}
