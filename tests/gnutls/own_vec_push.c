/* SPDX-License-Identifier: MIT
 * A push function of its own that takes many parts; close, gnutls_deinit. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	struct party_pipe pipe;

	party_session(&p);
	party_pipes(&p, &pipe);
	gnutls_transport_set_vec_push_function(p.session, party_vec_push);
	party_speak(&p);
	TELL(close(p.r.fd));
	TELL_VOID(gnutls_deinit(p.session));
	return 0;
}
