/* SPDX-License-Identifier: MIT
 * gnutls_bye(SHUT_WR), and then all is read that the peer has to say; gnutls_deinit, close: right. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);
	char bytes[16384];
	ssize_t got, all = 0;

	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	while ((got = gnutls_record_recv(p.session, bytes, sizeof(bytes))) > 0)
		all += got;
	printf("read %zd, then %zd\n", all, got);
	return party_ends(&p);
}
