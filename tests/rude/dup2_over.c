/* SPDX-License-Identifier: MIT
 * dup2 of something else onto the descriptor, SSL_free. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int other = open("/dev/null", O_RDWR);

	TELL(dup2(other, r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
