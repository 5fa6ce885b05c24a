/* SPDX-License-Identifier: MIT
 * The whole end of a connection, with input unread: "hand" as an author writes it (SSL_shutdown, shutdown, drain, SSL_free, close), without
 * care for what the peer has not acknowledged; "guarded": the same with the library's guarantee, by the kernel's filter; "rude": only SSL_free and
 * close.
 *
 * "owed": the last record has just been written, so that the peer may not have it yet.
 *
 * "among N": the program has N other connections, idle. "beside N": so it has, and a child that was born with them all lives;
 * then the child ends by _exit(0).
 *
 *     end hand|guarded|rude COUNT [owed | among N | beside N] */
#include "bench.h"

#include <linux/filter.h>

static void drain(int fd)
{
	char rest[16384];

	while (recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
}

/* From here on the kernel drops what the peer sends, but not its acknowledgements. */
static void refuse_input(int fd)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 1),
	};
	struct sock_fprog filter = {.len = sizeof(rules) / sizeof(*rules), .filter = rules};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		rude_fail("SO_ATTACH_FILTER");
}

static void by_hand(SSL *ssl, int fd, bool guarded)
{
	int before = 0, after = 0;

	if (guarded && ioctl(fd, SIOCOUTQ, &before))
		rude_fail("SIOCOUTQ");
	SSL_shutdown(ssl);
	shutdown(fd, SHUT_WR);
	if (before && ioctl(fd, SIOCOUTQ, &after))
		rude_fail("SIOCOUTQ");
	if (after)
		refuse_input(fd);
	drain(fd);
	SSL_free(ssl);
	close(fd);
}

static double end_rudely(SSL *ssl, int fd)
{
	double start = now_ns();

	SSL_free(ssl);
	close(fd);
	return now_ns() - start;
}

/* The ends of `count` connections with a child that holds them, and how long that child takes to end. */
static void beside_child(SSL_CTX *ctx, int port, size_t count, int idle)
{
	SSL **sessions = calloc(count, sizeof(SSL *));
	double *samples = calloc(count, sizeof(*samples)), start;
	int told[2];
	pid_t child;
	char byte;

	for (size_t i = 0; i < count; i++) {
		int fd;

		sessions[i] = meet(ctx, port, 100, &fd);
		rude_flushed(fd);
	}
	if (pipe(told))
		rude_fail("pipe");
	child = fork();
	if (!child) {
		if (read(told[0], &byte, 1) != 1)
			rude_fail("read");
		_exit(0);
	}
	for (size_t i = 0; i < count; i++)
		samples[i] = end_rudely(sessions[i], SSL_get_fd(sessions[i]));
	start = now_ns();
	if (write(told[1], "", 1) != 1)
		rude_fail("write");
	rude_wait_for(child);
	printf("end, beside %d %.0f\nchild, beside %d %.0f\n", idle, quantile(samples, count, 0.5), idle,
	       now_ns() - start);
	fflush(stdout);
	rude_vanish();
}

int main(int argc, char **argv)
{
	size_t count = argc > 2 ? (size_t)atoi(argv[2]) : 1000;
	bool guarded = argc > 1 && !strcmp(argv[1], "guarded"),
	     hand = guarded || (argc > 1 && !strcmp(argv[1], "hand")),
	     owed = argc > 3 && !strcmp(argv[3], "owed");
	double *samples = calloc(count, sizeof(*samples));
	SSL_CTX *ctx, *server;
	SSL *one, *other;
	bool beside = argc > 4 && !strcmp(argv[3], "beside");
	int port, idle = beside || (argc > 4 && !strcmp(argv[3], "among")) ? atoi(argv[4]) : 0;

	peer_begins(argv);
	raise_limit();
	port = start_peer((int)count, !beside);
	ctx = cheap_context(false);
	server = cheap_context(true);
	for (int i = 0; i < idle; i += 2)
		meet_over_pair(ctx, server, &one, &other);
	if (beside)
		beside_child(ctx, port, count, idle);
	for (size_t i = 0; i < count; i++) {
		int fd;
		SSL *ssl = meet(ctx, port, 100, &fd);
		double start;

		rude_flushed(fd);
		if (owed)
			rude_write(ssl, 100);
		start = now_ns();
		if (hand) {
			by_hand(ssl, fd, guarded);
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
