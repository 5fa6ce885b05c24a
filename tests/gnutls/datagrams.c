/* SPDX-License-Identifier: MIT
 * DTLS over a pair of datagram sockets; gnutls_deinit and close of one end. Prints what the other one hears then. */
#include "party.h"

#include <gnutls/dtls.h>

static gnutls_session_t one_end(bool server, int fd, gnutls_certificate_credentials_t credentials)
{
	gnutls_session_t session;

	if (gnutls_init(&session,
			(server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_DATAGRAM | GNUTLS_NONBLOCK) ||
	    gnutls_set_default_priority(session) ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials))
		rude_fail("session");
	gnutls_dtls_set_mtu(session, 1400);
	gnutls_transport_set_int(session, fd);
	return session;
}

int main(void)
{
	struct party p = {.r.server = true};
	char byte;
	int pair[2], first = -1, second = -1;
	gnutls_session_t client, server;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair))
		rude_fail("socketpair");
	party_credentials(&p);
	client = one_end(false, pair[0], p.credentials);
	server = one_end(true, pair[1], p.credentials);
	for (int i = 0; i < 100000 && (first || second); i++) {
		if (first)
			first = gnutls_handshake(client);
		if (second)
			second = gnutls_handshake(server);
	}
	if (first || second)
		party_fail("handshake", first ? first : second);
	TELL_VOID(gnutls_deinit(client));
	TELL(close(pair[0]));
	TELL(recv(pair[1], &byte, 1, MSG_DONTWAIT));
	gnutls_deinit(server);
	return 0;
}
