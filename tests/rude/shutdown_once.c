/* SPDX-License-Identifier: MIT
 * SSL_shutdown once, as most programs do, without a second call to hear the peer's; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(SSL_shutdown(r.ssl));
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
