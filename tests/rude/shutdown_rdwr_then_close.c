/* SPDX-License-Identifier: MIT
 * SSL_free, shutdown(SHUT_RDWR), close. Python's imaplib and poplib. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL_VOID(SSL_free(r.ssl));
	TELL(shutdown(r.fd, SHUT_RDWR));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
