/* SPDX-License-Identifier: MIT
 * SSL_free, close; never SSL_shutdown. Python's SSLSocket.close(). */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
