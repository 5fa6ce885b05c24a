/* SPDX-License-Identifier: MIT
 * The alert by gnutls_alert_send, as SChannel under Wine does; gnutls_deinit, close: right. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(gnutls_alert_send(p.session, GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY));
	return party_ends(&p);
}
