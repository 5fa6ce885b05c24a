/* SPDX-License-Identifier: MIT
 * dup before there is a session; SSL_free, close, and the copy still reads and writes plain text. FTP, after CCC. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int copy = dup(r.fd);

	rude_speak(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	TELL(send(copy, "plain text", 10, MSG_NOSIGNAL));
	TELL(close(copy));
	SSL_CTX_free(r.ctx);
	return 0;
}
