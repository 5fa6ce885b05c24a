/* SPDX-License-Identifier: MIT
 * Both sides say goodbye, and plain text follows, which stdio flushes at exit. FTP's CCC. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	FILE *plain = fdopen(r.fd, "w");

	while (SSL_shutdown(r.ssl) == 0)
		;
	TELL_VOID(SSL_free(r.ssl));
	fputs("plain text\n", plain);
	return 0;
}
