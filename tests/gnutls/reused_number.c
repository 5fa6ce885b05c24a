/* SPDX-License-Identifier: MIT
 * close; the number is another socket by the time of gnutls_bye. sofia-sip 131. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	int pair[2], got;
	char byte;

	TELL(close(p.r.fd));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pair[0] != p.r.fd)
		rude_fail("the same number");
	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	TELL_VOID(gnutls_deinit(p.session));
	got = (int)recv(pair[1], &byte, 1, MSG_DONTWAIT);
	printf("the other connection got %d\n", got);
	return 0;
}
