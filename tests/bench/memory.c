/* SPDX-License-Identifier: MIT
 * Bytes of memory that the process has written to, so that they are its own. "open": of a process with one TLS connection, and
 * per connection with CONNECTIONS open (SSL and all); "data": each session has data attached (ex_data), for which OpenSSL makes room. "churn": after the first tenth of ENDS connections, and after the last;
 * or after those that had ended within SECONDS.
 *
 *     memory open CONNECTIONS [data]
 *     memory churn ENDS SECONDS */
#include "bench.h"

static double own_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kb = -1;

	if (!file)
		rude_fail("smaps_rollup");
	while (fgets(line, sizeof(line), file) && sscanf(line, "Private_Dirty: %ld", &kb) != 1)
		;
	fclose(file);
	return (double)kb * 1024;
}

static SSL_CTX *client, *server;

static void open_pair(int index)
{
	SSL *one, *other;

	meet_over_pair(client, server, &one, &other);
	if (index >= 0 && (!SSL_set_ex_data(one, index, client) || !SSL_set_ex_data(other, index, server)))
		rude_fail("SSL_set_ex_data");
}

static void open_all(int count, bool data)
{
	int index = data ? SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL) : -1;
	double first;

	raise_limit();
	open_pair(index);
	first = own_bytes();
	for (int i = 0; i < count; i += 2)
		open_pair(index);
	printf("process %.0f\n", first);
	printf("connection %.1f\n", (own_bytes() - first) / count);
}

static void churn(int ends, double seconds)
{
	double until = now_ns() + seconds * 1e9;
	int done = 0;

	for (; done < ends && (done <= ends / 10 || now_ns() < until); done += 2) {
		SSL *one, *other;
		int fd = meet_over_pair(client, server, &one, &other), peer = SSL_get_fd(other);

		SSL_free(one);
		close(fd);
		SSL_free(other);
		close(peer);
		if (done == ends / 10)
			printf("early %.0f\n", own_bytes());
	}
	printf("late %.0f\n", own_bytes());
	printf("ends %d\n", done);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	client = cheap_context(false);
	server = cheap_context(true);
	if (argc >= 3 && !strcmp(argv[1], "open"))
		open_all(atoi(argv[2]), argc > 3);
	else if (argc == 4 && !strcmp(argv[1], "churn"))
		churn(atoi(argv[2]), atof(argv[3]));
	else
		rude_fail("memory open CONNECTIONS [data] | churn ENDS SECONDS");
	fflush(stdout);
	rude_vanish();
}
