/* SPDX-License-Identifier: MIT
 * Non-blocking SSL_write said WANT_WRITE in the middle of a write; SSL_free, close nevertheless. */
#include "half_written.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	write_until_full(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
