/* SPDX-License-Identifier: MIT
 * No sin but curiosity: tells which descriptors are open, before the connection, during it, and after each
 * step of an end by SSL_free and close. */
#include "rude.h"

static void tell_descriptors(const char *when)
{
	printf("%s:", when);
	for (int fd = 0; fd < 65536; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf(" %d(%x)", fd, (unsigned int)fcntl(fd, F_GETFL));
	printf("\n");
}

int main(int argc, char **argv)
{
	struct rude r;

	tell_descriptors("at the start");
	r = rude_meet(argc, argv);
	tell_descriptors("connected");
	SSL_free(r.ssl);
	tell_descriptors("freed");
	close(r.fd);
	tell_descriptors("closed");
	SSL_CTX_free(r.ctx);
	return 0;
}
