/* SPDX-License-Identifier: MIT
 * gnutls_deinit, shutdown(SHUT_RDWR), close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL_VOID(gnutls_deinit(p.session));
	TELL(shutdown(p.r.fd, SHUT_RDWR));
	TELL(close(p.r.fd));
	return 0;
}
