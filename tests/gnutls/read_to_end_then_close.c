/* SPDX-License-Identifier: MIT
 * Reads until the peer has ended, in whatever way; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	char bytes[4096];
	ssize_t got;

	while ((got = party_read(&p, bytes, sizeof(bytes))) > 0)
		;
	rude_tell("gnutls_record_recv", got < 0 ? -1 : got);
	return party_ends(&p);
}
