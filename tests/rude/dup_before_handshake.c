/* SPDX-License-Identifier: MIT
 * A session is made by SSL_dup of a template that never shakes hands, and is freed first; then SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	SSL *template = rude_session(&r);

	r.ssl = SSL_dup(template);
	if (!r.ssl || r.ssl == template)
		rude_fail("SSL_dup");
	TELL_VOID(SSL_free(template));
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
