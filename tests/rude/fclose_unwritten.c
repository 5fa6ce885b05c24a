/* SPDX-License-Identifier: MIT
 * fdopen, and plain text left in the stream for fclose to flush: after a goodbye it would be garbage. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	FILE *stream = fdopen(r.fd, "r+");

	if (!stream || fputs("plain text", stream) < 0)
		rude_fail("fputs");
	TELL(fclose(stream));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
