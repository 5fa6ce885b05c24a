/* SPDX-License-Identifier: MIT
 * One goodbye, SSL_free without waiting for the other, and plain text, which stdio flushes at exit. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	FILE *plain = fdopen(r.fd, "w");

	SSL_shutdown(r.ssl);
	TELL_VOID(SSL_free(r.ssl));
	fputs("plain text\n", plain);
	return 0;
}
