/* SPDX-License-Identifier: MIT
 * COUNT threads have a non-blocking connection each, write N bytes to it, and close it at the same moment.
 *
 *     close_together PORT TLS N COUNT [alone]
 *
 * alone: lives until none of its threads does. */
#include "rude.h"

static struct rude common;
static pthread_barrier_t moment;

static void *one(void *unused)
{
	struct rude r = common;

	r.fd = rude_tcp(&r);
	rude_speak(&r);
	rude_nonblocking(r.fd);
	pthread_barrier_wait(&moment);
	close(r.fd);
	SSL_free(r.ssl);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int count = argc > 4 ? atoi(argv[4]) : 8;

	common = rude_arguments(argc, argv);
	common.ctx = rude_context(&common);
	pthread_barrier_init(&moment, NULL, (unsigned int)count);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, one, NULL))
			rude_fail("pthread_create");
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (argc > 5)
		rude_alone();
	return 0;
}
