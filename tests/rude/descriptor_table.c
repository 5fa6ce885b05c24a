/* SPDX-License-Identifier: MIT
 * SSL_free, close; and tells which descriptors are open before the connection, during it, and after each step. */
#include "rude.h"

static char story[4096];

static void look_at_descriptors(const char *when)
{
	size_t end = strlen(story);

	end += (size_t)snprintf(story + end, sizeof(story) - end, "%s:", when);
	for (int fd = 0; fd < 65536 && end < sizeof(story); fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			end += (size_t)snprintf(story + end, sizeof(story) - end, " %d", fd);
	snprintf(story + end, sizeof(story) - end, "\n");
}

int main(int argc, char **argv)
{
	struct rude r;

	look_at_descriptors("at the start");
	r = rude_meet(argc, argv);
	look_at_descriptors("connected");
	SSL_free(r.ssl);
	look_at_descriptors("freed");
	close(r.fd);
	look_at_descriptors("closed");
	SSL_CTX_free(r.ctx);
	fputs(story, stdout);
	return 0;
}
