/* SPDX-License-Identifier: MIT
 * GNUTLS_NO_SIGNAL, with a push function of the library that is another; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);

	p.flags = GNUTLS_NO_SIGNAL;
	party_session(&p);
	gnutls_transport_set_ptr(p.session, (gnutls_transport_ptr_t)(intptr_t)p.r.fd);
	party_speak(&p);
	return party_ends(&p);
}
