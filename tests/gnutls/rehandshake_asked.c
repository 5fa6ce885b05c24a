/* SPDX-License-Identifier: MIT
 * A server asks for another handshake, and ends before it is done. TLS 1.2. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);
	int ret = gnutls_rehandshake(p.session);

	if (ret)
		party_fail("rehandshake", ret);
	rude_flushed(p.r.fd);
	return party_ends(&p);
}
