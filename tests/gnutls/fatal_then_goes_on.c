/* SPDX-License-Identifier: MIT
 * A fatal alert by the program, which then writes on, as GnuTLS lets it; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(gnutls_alert_send(p.session, GNUTLS_AL_FATAL, GNUTLS_A_INTERNAL_ERROR));
	TELL(gnutls_record_send(p.session, "more", 4));
	return party_ends(&p);
}
