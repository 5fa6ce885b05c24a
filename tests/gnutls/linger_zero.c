/* SPDX-License-Identifier: MIT
 * SO_LINGER {on, 0}: the program asks for RST; gnutls_deinit, close. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	struct linger now = {.l_onoff = 1};

	rude_flushed(p.r.fd);
	setsockopt(p.r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return party_ends(&p);
}
