/* SPDX-License-Identifier: MIT
 * A key update, one byte, gnutls_deinit, close. TLS 1.3. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(gnutls_session_key_update(p.session, GNUTLS_KU_PEER));
	TELL(gnutls_record_send(p.session, "x", 1));
	return party_ends(&p);
}
