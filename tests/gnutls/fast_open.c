/* SPDX-License-Identifier: MIT
 * TCP fast open, by gnutls_transport_set_fastopen; gnutls_deinit, close. */
#include "party.h"

#include <gnutls/socket.h>

int main(int argc, char **argv)
{
	struct party p = {.r = rude_arguments(argc, argv)};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(p.r.port))};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	party_credentials(&p);
	p.r.fd = socket(AF_INET, SOCK_STREAM, 0);
	party_session(&p);
	gnutls_transport_set_fastopen(p.session, p.r.fd, (struct sockaddr *)&address, sizeof(address), 0);
	party_speak(&p);
	return party_ends(&p);
}
