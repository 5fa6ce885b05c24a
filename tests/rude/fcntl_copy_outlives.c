/* SPDX-License-Identifier: MIT
 * fcntl(F_DUPFD_CLOEXEC), close of the original, then of the copy, SSL_free. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int copy = fcntl(r.fd, F_DUPFD_CLOEXEC, 100);

	TELL(close(r.fd));
	TELL(close(copy));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
