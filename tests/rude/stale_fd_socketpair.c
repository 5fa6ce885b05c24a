/* SPDX-License-Identifier: MIT
 * close by raw system call, the number goes to a socketpair; SSL_free, close of the new one. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[4096];
	int pair[2];

	rude_raw(SYS_close, r.fd);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pair[0] != r.fd)
		rude_fail("the number");
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	printf("the other end heard %zd bytes\n", read(pair[1], bytes, sizeof(bytes)));
	SSL_CTX_free(r.ctx);
	return 0;
}
