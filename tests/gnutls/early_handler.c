/* SPDX-License-Identifier: MIT
 * Returns from main; an exit handler from before TLS writes N bytes more, says goodbye and closes, as a program that logs out
 * does. */
#include "party.h"

static struct party party;

static void log_out(void)
{
	party_write(&party, party.r.n);
	gnutls_bye(party.session, GNUTLS_SHUT_WR);
	close(party.r.fd);
}

int main(int argc, char **argv)
{
	atexit(log_out);
	party = party_meet(argc, argv);
	return 0;
}
