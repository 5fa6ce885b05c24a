/* SPDX-License-Identifier: MIT
 * fdopen, fclose, SSL_free: stdio closes the descriptor inside libc. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	FILE *stream = fdopen(r.fd, "r+");

	if (!stream)
		rude_fail("fdopen");
	TELL(fclose(stream));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
