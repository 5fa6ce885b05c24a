/* SPDX-License-Identifier: MIT
 * SSL_shutdown, SSL_free, close, with N bytes of the peer's unread: the kernel answers with RST and throws the
 * goodbye away. h2o #2534. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	for (int unread = 0; unread < r.n; sched_yield())
		if (ioctl(r.fd, FIONREAD, &unread))
			rude_fail("FIONREAD");
	TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
