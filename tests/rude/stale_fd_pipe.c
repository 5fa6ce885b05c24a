/* SPDX-License-Identifier: MIT
 * close by raw system call, the number goes to the writing end of a pipe; SSL_free, close of the new one. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[4096];
	int pair[2];

	syscall(SYS_close, r.fd);
	if (pipe(pair) || dup2(pair[1], pair[0] + 5) < 0 || (close(pair[0]), pair[0] += 5) < 0 || pair[1] != r.fd)
		rude_fail("the number");
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	printf("the other end heard %zd bytes\\n", read(pair[0], bytes, sizeof(bytes)));
	SSL_CTX_free(r.ctx);
	return 0;
}
