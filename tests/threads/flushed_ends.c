/* SPDX-License-Identifier: MIT
 * COUNT connections, one after the other: writes N bytes, waits until the peer has acknowledged them, ends the connection.
 * Says how many threads it had more than at its start.
 *
 *     flushed_ends PORT TLS N COUNT free_close|close_free|shutdown_close */
#include "rude.h"

#include <dirent.h>

static int threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	int count = 0;

	if (!directory)
		rude_fail("/proc/self/task");
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void end(SSL *ssl, int fd, const char *how)
{
	if (!strcmp(how, "shutdown_close"))
		SSL_shutdown(ssl);
	if (strcmp(how, "close_free"))
		SSL_free(ssl);
	close(fd);
	if (!strcmp(how, "close_free"))
		SSL_free(ssl);
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	int before, most = 0;

	if (argc < 6)
		rude_fail("flushed_ends PORT TLS N COUNT HOW");
	r.ctx = rude_context(&r);
	before = threads();
	for (int i = 0; i < atoi(argv[4]); i++) {
		int fd = rude_tcp(&r), more;
		SSL *ssl = rude_session(&r);

		SSL_set_fd(ssl, fd);
		rude_shake_hands(ssl);
		rude_write(ssl, r.n);
		rude_flushed(fd);
		end(ssl, fd, argv[5]);
		more = threads() - before;
		most = more > most ? more : most;
	}
	printf("threads %d\n", most);
	SSL_CTX_free(r.ctx);
	return 0;
}
