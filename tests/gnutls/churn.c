/* SPDX-License-Identifier: MIT
 * Sessions by the thousand, in four threads, some of them at the same time; prints by how many pages the process has grown
 * after the first part.
 *
 *     churn COUNT */
#include "party.h"

#include <limits.h>
#include <malloc.h>

#define AT_ONCE 50

static int count;

static void *make_many(void *unused)
{
	gnutls_session_t sessions[AT_ONCE];

	(void)unused;
	for (int i = 0; i < count; i++) {
		for (int n = 0; n < AT_ONCE; n++)
			if (gnutls_init(&sessions[n], GNUTLS_CLIENT))
				rude_fail("gnutls_init");
		for (int n = 0; n < AT_ONCE; n++)
			gnutls_deinit(sessions[(n * 7 + i) % AT_ONCE]);
	}
	return NULL;
}

static long pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size = 0, resident = 0;

	if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
		rude_fail("statm");
	fclose(file);
	return resident;
}

static void all(int rounds)
{
	pthread_t threads[4];

	count = rounds;
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, make_many, NULL))
			rude_fail("pthread_create");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 100;
	long before;

	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_THRESHOLD, INT_MAX);
	all(rounds);
	before = pages();
	all(rounds);
	all(rounds);
	printf("%ld\n", pages() - before);
	return 0;
}
