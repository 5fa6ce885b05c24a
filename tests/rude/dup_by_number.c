/* SPDX-License-Identifier: MIT
 * As dup_outlives, by number: syscall(SYS_dup), close of the original, back by syscall(SYS_dup3), N bytes more; then the end. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int copy = (int)syscall(SYS_dup, r.fd), third = (int)syscall(SYS_fcntl, copy, F_DUPFD, 100);

	TELL(close(r.fd));
	TELL(close(copy));
	TELL(syscall(SYS_dup3, third, r.fd, 0));
	TELL(close(third));
	rude_write(r.ssl, r.n);
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
