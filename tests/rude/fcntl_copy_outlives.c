/* SPDX-License-Identifier: MIT
 * fcntl(F_DUPFD_CLOEXEC), close of the original, back by dup2, close of the copy, N bytes more; then the end. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int copy = fcntl(r.fd, F_DUPFD_CLOEXEC, 100);

	TELL(close(r.fd));
	TELL(dup2(copy, r.fd));
	TELL(close(copy));
	rude_write(r.ssl, r.n);
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
