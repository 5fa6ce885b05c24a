/* SPDX-License-Identifier: MIT
 * A write of more than one record, for the peer takes small ones only, does not fit; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);

	party_session(&p);
	gnutls_transport_set_int(p.session, p.r.fd);
	gnutls_record_set_max_size(p.session, 512);
	party_shake_hands(&p);
	party_fill(&p, 10000);
	return party_ends(&p);
}
