/* SPDX-License-Identifier: MIT
 * Another file takes the session's number, and gets a record; SSL_free; the socket is closed by its other number. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int other = dup(r.fd), nothing = open("/dev/null", O_RDWR);

	if (other < 0 || nothing < 0 || dup2(nothing, r.fd) != r.fd)
		rude_fail("dup");
	TELL(SSL_write(r.ssl, "lost", 4));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(other));
	SSL_CTX_free(r.ctx);
	return 0;
}
