/* SPDX-License-Identifier: MIT
 * THREADS threads, each with connections of its own: shakes hands, says a byte, ends by SSL_free and close(), COUNT times.
 * How long one connection takes, of all the threads together.
 *
 *     threads THREADS COUNT */
#include "bench.h"

static int count;
static SSL_CTX *client, *server;

static void *live(void *unused)
{
	char byte;

	for (int i = 0; i < count; i++) {
		SSL *one, *other;
		int fd = meet_over_pair(client, server, &one, &other), peer = SSL_get_fd(other);

		if (SSL_write(one, "", 1) != 1 || SSL_read(other, &byte, 1) != 1)
			rude_fail("SSL_write");
		SSL_free(one);
		close(fd);
		SSL_free(other);
		close(peer);
	}
	return unused;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t thread[64];
	double start;

	count = argc > 2 ? atoi(argv[2]) : 1000;
	signal(SIGPIPE, SIG_IGN);
	client = cheap_context(false);
	server = cheap_context(true);
	start = now_ns();
	if (threads == 1) /* by the program's only thread: ltrace hangs over a second one */
		live(NULL);
	for (int i = 0; i < threads && threads > 1 && i < 64; i++)
		if (pthread_create(&thread[i], NULL, live, NULL))
			rude_fail("pthread_create");
	for (int i = 0; i < threads && threads > 1 && i < 64; i++)
		pthread_join(thread[i], NULL);
	printf("threads,%d %.0f\n", threads, (now_ns() - start) / (threads * count));
	return 0;
}
