/* SPDX-License-Identifier: MIT
 * SSL_write of one record said WANT_WRITE; SSL_free, close nevertheless. */
#include "rude.h"

int main(int argc, char **argv)
{
	static char letters[16384];
	struct rude r = rude_meet(argc, argv);
	int small = 8192;

	memset(letters, 'r', sizeof(letters));
	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	rude_nonblocking(r.fd);
	while (SSL_write(r.ssl, letters, sizeof(letters)) > 0)
		r.n += (int)sizeof(letters);
	if (SSL_want(r.ssl) != SSL_WRITING)
		rude_fail("WANT_WRITE");
	printf("%d bytes in whole writes\n", r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
