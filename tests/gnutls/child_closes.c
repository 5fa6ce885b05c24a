/* SPDX-License-Identifier: MIT
 * A child frees the session and closes; the parent goes on with it. rsyslogd, lftp. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	pid_t child = fork();

	if (!child) {
		gnutls_deinit(p.session);
		close(p.r.fd);
		exit(0);
	}
	rude_wait_for(child);
	return party_goes_on(&p);
}
