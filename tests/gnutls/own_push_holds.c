/* SPDX-License-Identifier: MIT
 * A push function of its own that keeps to itself the last N bytes, or the goodbye; gnutls_deinit, close.
 *
 *     own_push_holds PORT TLS N [bye] */
#include "party.h"

static bool keeps;

static ssize_t push(gnutls_transport_ptr_t pointer, const void *bytes, size_t length)
{
	return keeps ? (ssize_t)length : party_push(pointer, bytes, length);
}

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	struct party_pipe pipe;

	party_session(&p);
	party_pipes(&p, &pipe);
	gnutls_transport_set_push_function(p.session, push);
	party_speak(&p);
	keeps = true;
	if (argc < 5)
		party_write(&p, p.r.n);
	else
		TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	return party_ends(&p);
}
