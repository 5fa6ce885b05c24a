/* SPDX-License-Identifier: MIT
 * THREADS threads open COUNT connections in all, write N bytes to each, and only close them.
 *
 *     churn PORT TLS N COUNT THREADS
 *
 * Every other session is freed before its close, the rest after it; every third connection has a copy (dup). */
#include "rude.h"

#include <stdatomic.h>

static struct rude common;
static _Atomic int left;

static void one(int number)
{
	struct rude r = common;
	int copy;

	r.fd = rude_tcp(&r);
	rude_speak(&r);
	if (number % 2)
		SSL_free(r.ssl);
	if (number % 3 == 0 && (copy = dup(r.fd)) >= 0)
		close(copy);
	close(r.fd);
	if (number % 2 == 0)
		SSL_free(r.ssl);
}

static void *churn(void *unused)
{
	for (int number; (number = atomic_fetch_sub(&left, 1)) > 0;)
		one(number);
	return unused;
}

int main(int argc, char **argv)
{
	int count = argc > 5 ? atoi(argv[5]) : 8;
	pthread_t threads[64];

	common = rude_arguments(argc, argv);
	common.ctx = rude_context(&common);
	left = argc > 4 ? atoi(argv[4]) : 1000;
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, churn, NULL))
			rude_fail("pthread_create");
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
