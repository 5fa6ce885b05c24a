/* SPDX-License-Identifier: MIT
 * A read function for alerts, as QUIC has it: the session is no stream; gnutls_deinit, close. */
#include "party.h"

static int read_alert(gnutls_session_t session, gnutls_record_encryption_level_t level,
		      gnutls_alert_level_t alert_level, gnutls_alert_description_t alert)
{
	(void)session, (void)level, (void)alert_level, (void)alert;
	return 0;
}

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	gnutls_alert_set_read_function(p.session, read_alert);
	return party_ends(&p);
}
