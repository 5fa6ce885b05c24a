/* SPDX-License-Identifier: MIT
 * gnutls_deinit, close, with N bytes of the peer unread: the kernel answers with RST. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	for (int unread = 0; unread < p.r.n; sched_yield())
		if (ioctl(p.r.fd, FIONREAD, &unread))
			rude_fail("FIONREAD");
	return party_ends(&p);
}
