/* SPDX-License-Identifier: MIT
 * A careful program with another thread whose session goes on over a socketpair after the handshake; what comes out of that
 * it copies to the socket that is the session's no longer, the goodbye last. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[1 << 16];
	ssize_t length;
	int pair[2];

	rude_has_threads();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		rude_fail("socketpair");
	SSL_set_fd(r.ssl, pair[0]);
	rude_write(r.ssl, r.n);
	TELL(SSL_shutdown(r.ssl));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(pair[0]));
	while ((length = read(pair[1], bytes, sizeof(bytes))) > 0) {
		if (write(r.fd, bytes, (size_t)length) != length)
			rude_fail("write");
	}
	TELL(close(pair[1]));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
