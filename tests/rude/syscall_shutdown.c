/* SPDX-License-Identifier: MIT
 * shutdown by syscall(SYS_shutdown), close, SSL_free. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(syscall(SYS_shutdown, r.fd, SHUT_WR));
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
