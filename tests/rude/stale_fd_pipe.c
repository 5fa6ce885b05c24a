/* SPDX-License-Identifier: MIT
 * close by raw system call, the number goes to the writing end of a pipe; SSL_free, close of the new one. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[4096];
	int line[2];

	if (pipe(line))
		rude_fail("pipe");
	rude_raw(SYS_close, r.fd);
	if (dup(line[1]) != r.fd)
		rude_fail("the number");
	close(line[1]);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	printf("the other end heard %zd bytes\n", read(line[0], bytes, sizeof(bytes)));
	SSL_CTX_free(r.ctx);
	return 0;
}
