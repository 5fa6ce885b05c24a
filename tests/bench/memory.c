/* SPDX-License-Identifier: MIT
 * Memory that the process has for itself, in bytes: of a program that has done nothing yet, and per established connection (its SSL included).
 *
 *     memory CONNECTIONS */
#include "bench.h"

static double own_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	double all = 0;
	long kb;

	if (!file)
		rude_fail("smaps_rollup");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_Clean: %ld", &kb) == 1 || sscanf(line, "Anonymous: %ld", &kb) == 1)
			all += (double)kb * 1024;
	fclose(file);
	return all;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1000;
	double before = own_bytes(), first;
	SSL_CTX *client, *server;
	SSL *one, *other;

	raise_limit();
	client = cheap_context(false);
	server = cheap_context(true);
	meet_over_pair(client, server, &one, &other);
	first = own_bytes();
	for (int i = 0; i < count; i += 2)
		meet_over_pair(client, server, &one, &other);
	printf("bytes, a process %.0f\n", before);
	printf("bytes, a connection %.0f\n", (own_bytes() - first) / count);
	fflush(stdout);
	rude_vanish();
}
