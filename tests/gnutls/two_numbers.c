/* SPDX-License-Identifier: MIT
 * One number of the socket to read from, another to write to. An end in letters: F gnutls_deinit, W and R close of the number written
 * to and read from, S gnutls_bye; then it exits.
 *
 *     two_numbers PORT TLS [N [LETTERS]] */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	const char *letters = argc > 4 ? argv[4] : "FWR";
	int to = dup(p.r.fd);

	party_session(&p);
	gnutls_transport_set_int2(p.session, p.r.fd, to);
	party_speak(&p);
	for (; *letters; letters++) {
		if (*letters == 'F')
			TELL_VOID(gnutls_deinit(p.session));
		if (*letters == 'W')
			TELL(close(to));
		if (*letters == 'R')
			TELL(close(p.r.fd));
		if (*letters == 'S')
			TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	}
	return 0;
}
