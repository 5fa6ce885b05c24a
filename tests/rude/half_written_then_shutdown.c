/* SPDX-License-Identifier: MIT
 * SSL_write said WANT_WRITE in the middle of a write; SSL_shutdown (which sends nothing), SSL_free, close.
 */
#include "half_written.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	write_until_full(&r);
	TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
