/* SPDX-License-Identifier: MIT
 * gnutls_alert_send_appropriate for an error; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(gnutls_alert_send_appropriate(p.session, GNUTLS_E_UNEXPECTED_PACKET));
	return party_ends(&p);
}
