/* SPDX-License-Identifier: MIT
 * close, SSL_free: the descriptor is gone when the session ends. libevent, asyncio's abort, w3m. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
