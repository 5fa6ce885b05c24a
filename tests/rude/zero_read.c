/* SPDX-License-Identifier: MIT
 * Peeks and reads of no bytes, which OpenSSL answers like failures, then close. dig. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char c;

	TELL(SSL_peek(r.ssl, &c, 0));
	TELL(SSL_read(r.ssl, &c, 0));
	TELL(close(r.fd));
	return 0;
}
