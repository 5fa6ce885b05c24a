/* SPDX-License-Identifier: MIT
 * shutdown(SHUT_WR), gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(shutdown(p.r.fd, SHUT_WR));
	return party_ends(&p);
}
