/* SPDX-License-Identifier: MIT
 * How long one close() or SSL_free() can take in a program with an event loop: COUNT connections in an epoll set, all with
 * unread input, three of four with a peer that has stalled and bytes that it has not taken; one of four has a send buffer
 * without room for an alert.
 *
 *     close_latency COUNT */
#include "bench.h"

#include <sys/epoll.h>

static const char block[1 << 16];

/* Until the kernel takes no byte more; what it takes is no TLS, but nobody reads it. */
static void fill(int fd)
{
	while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0 || send(fd, block, 1, MSG_DONTWAIT) > 0)
		;
}

static void report(const char *call, double *samples, size_t count)
{
	printf("%s median %.0f\n", call, quantile(samples, count, 0.5));
	printf("%s p99 %.0f\n", call, quantile(samples, count, 0.99));
	printf("%s max %.0f\n", call, quantile(samples, count, 1));
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? (size_t)atoi(argv[1]) : 1000;
	double *closes = calloc(count, sizeof(*closes)), *frees = calloc(count, sizeof(*frees));
	SSL **ssl = calloc(count, sizeof(SSL *));
	int *fd = calloc(count, sizeof(int)), port, poller = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	SSL_CTX *ctx;

	peer_begins(argv);
	raise_limit();
	port = start_peer((int)count, false);
	ctx = cheap_context(false);
	for (size_t i = 0; i < count; i++) {
		ssl[i] = meet(ctx, port, i % 4 ? 20000 : 100, &fd[i]);
		rude_nonblocking(fd[i]);
		event.data.fd = fd[i];
		epoll_ctl(poller, EPOLL_CTL_ADD, fd[i], &event);
		if (i % 4 == 3) {
			int small = 4608;

			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
			fill(fd[i]);
		}
	}
	/* The one order and the other by turns. */
	for (size_t i = 0; i < count; i++) {
		double start = now_ns(), middle;

		if (i / 4 % 2)
			SSL_free(ssl[i]);
		else
			close(fd[i]);
		middle = now_ns();
		if (i / 4 % 2)
			close(fd[i]);
		else
			SSL_free(ssl[i]);
		closes[i] = i / 4 % 2 ? now_ns() - middle : middle - start;
		frees[i] = i / 4 % 2 ? middle - start : now_ns() - middle;
	}
	report("close", closes, count);
	report("SSL_free", frees, count);
	fflush(stdout);
	rude_vanish(); /* nothing is owed to a peer that reads nothing */
}
