/* SPDX-License-Identifier: MIT
 * One step of the handshake (client: its hello; server: its answer), gnutls_deinit, close. */
#include "party.h"

static size_t hello; /* what of the peer's is heard */

static ssize_t pull(gnutls_transport_ptr_t pointer, void *bytes, size_t length)
{
	ssize_t got;

	if (!hello) {
		errno = EAGAIN;
		return -1;
	}
	got = recv((int)(intptr_t)pointer, bytes, length < hello ? length : hello, 0);
	hello -= got > 0 ? (size_t)got : 0;
	return got;
}

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	char bytes[4096];
	int ret;

	party_session(&p);
	gnutls_transport_set_int(p.session, p.r.fd);
	gnutls_transport_set_pull_function(p.session, pull);
	if (p.r.server)
		hello = (size_t)recv(p.r.fd, bytes, sizeof(bytes), MSG_PEEK);
	ret = gnutls_handshake(p.session);
	if (ret != GNUTLS_E_AGAIN)
		party_fail("E_AGAIN", ret);
	rude_flushed(p.r.fd);
	return party_ends(&p);
}
