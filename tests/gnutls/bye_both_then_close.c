/* SPDX-License-Identifier: MIT
 * gnutls_bye(SHUT_RDWR) until it has the answer, gnutls_deinit, close: right. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	int ret;

	do
		ret = gnutls_bye(p.session, GNUTLS_SHUT_RDWR);
	while (ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED);
	rude_tell("gnutls_bye", ret);
	return party_ends(&p);
}
