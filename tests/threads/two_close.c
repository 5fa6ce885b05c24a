/* SPDX-License-Identifier: MIT
 * COUNT connections, each ended by two threads at the same moment.
 *
 *     two_close PORT TLS N COUNT HOW    HOW: close (both the same descriptor), free (one SSL_free, one close)
 *
 * Prints how often close succeeded: once for each connection. */
#include "rude.h"

static struct rude r;
static pthread_barrier_t moment;
static _Atomic int closed;
static bool frees;

static void meet(void)
{
	r.fd = rude_tcp(&r);
	rude_speak(&r);
}

static void *second(void *rounds)
{
	for (long i = 0; i < (long)rounds; i++) {
		pthread_barrier_wait(&moment);
		if (frees)
			SSL_free(r.ssl);
		else if (close(r.fd) == 0)
			closed++;
		pthread_barrier_wait(&moment);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long rounds = argc > 4 ? atoi(argv[4]) : 100;
	pthread_t thread;

	r = rude_arguments(argc, argv);
	r.ctx = rude_context(&r);
	frees = argc > 5 && !strcmp(argv[5], "free");
	pthread_barrier_init(&moment, NULL, 2);
	if (pthread_create(&thread, NULL, second, (void *)rounds))
		rude_fail("pthread_create");
	for (long i = 0; i < rounds; i++) {
		meet();
		pthread_barrier_wait(&moment);
		if (close(r.fd) == 0)
			closed++;
		pthread_barrier_wait(&moment);
		if (!frees)
			SSL_free(r.ssl);
	}
	pthread_join(thread, NULL);
	printf("closed %d\n", closed);
	return 0;
}
