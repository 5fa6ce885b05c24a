/* SPDX-License-Identifier: MIT
 * Bytes that are corked, and never uncorked; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	gnutls_record_cork(p.session);
	TELL(gnutls_record_send(p.session, "corked", 6));
	return party_ends(&p);
}
