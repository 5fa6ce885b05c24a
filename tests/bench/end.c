/* SPDX-License-Identifier: MIT
 * The whole end of a connection, with input unread: "hand" as a careful author writes it (SSL_shutdown, shutdown, drain,
 * close, SSL_free), "rude" only close and SSL_free.
 *
 * "owed": the last record has just been written, so that the peer may not have it yet.
 *
 * "among N": the program has N other connections, idle.
 *
 *     end hand|rude COUNT [owed | among N] */
#include "bench.h"

static void by_hand(SSL *ssl, int fd)
{
	char rest[16384];

	SSL_shutdown(ssl);
	shutdown(fd, SHUT_WR);
	while (recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
	SSL_free(ssl);
	close(fd);
}

int main(int argc, char **argv)
{
	size_t count = argc > 2 ? (size_t)atoi(argv[2]) : 1000;
	bool hand = argc > 1 && !strcmp(argv[1], "hand"), owed = argc > 3 && !strcmp(argv[3], "owed");
	double *samples = calloc(count, sizeof(*samples));
	SSL_CTX *ctx, *server;
	SSL *one, *other;
	int port, idle = argc > 4 && !strcmp(argv[3], "among") ? atoi(argv[4]) : 0;

	peer_begins(argv);
	raise_limit();
	port = start_peer((int)count, true);
	ctx = cheap_context(false);
	server = cheap_context(true);
	for (int i = 0; i < idle; i += 2)
		meet_over_pair(ctx, server, &one, &other);
	for (size_t i = 0; i < count; i++) {
		int fd;
		SSL *ssl = meet(ctx, port, 100, &fd);
		double start;

		rude_flushed(fd);
		if (owed)
			rude_write(ssl, 100);
		start = now_ns();
		if (hand) {
			by_hand(ssl, fd);
		} else {
			SSL_free(ssl);
			close(fd);
		}
		samples[i] = now_ns() - start;
	}
	if (idle)
		printf("end, among %d %.0f\n", idle, quantile(samples, count, 0.5));
	else
		printf("end%s %.0f\n", owed ? ",owed" : "", quantile(samples, count, 0.5));
	fflush(stdout);
	rude_vanish(); /* the idle ones are not part of it */
}
