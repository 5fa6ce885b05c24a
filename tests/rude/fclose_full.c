/* SPDX-License-Identifier: MIT
 * fdopen, the socket full and non-blocking, and text left in the stream: fclose can't write it out, and says so. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	FILE *stream = fdopen(r.fd, "r+");
	static char bytes[4000];

	fcntl(r.fd, F_SETFL, O_NONBLOCK);
	while (SSL_write(r.ssl, bytes, sizeof(bytes)) > 0)
		;
	if (!stream || fputs("plain text", stream) < 0)
		rude_fail("fputs");
	TELL(fclose(stream));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
