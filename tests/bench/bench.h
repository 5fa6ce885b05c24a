/* SPDX-License-Identifier: MIT
 * What the benchmarks share: a clock, samples, and connections whose handshake costs little (TLS 1.2, a shared key).
 * A result is a line "NAME NANOSECONDS"; tests/bench/run puts those of the two sides together. */
#ifndef BENCH_H
#define BENCH_H

#include "rude.h"

#include <sys/resource.h>
#include <time.h>

static inline double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int by_size(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

/* The share'th part of the samples is not greater; sorts them. */
static inline double quantile(double *samples, size_t count, double share)
{
	size_t at = (size_t)(share * (double)count);

	qsort(samples, count, sizeof(*samples), by_size);
	return samples[at < count ? at : count - 1];
}

static inline void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static inline unsigned int client_key(SSL *ssl, const char *hint, char *identity, unsigned int identity_most,
				      unsigned char *key, unsigned int key_most)
{
	(void)ssl, (void)hint;
	snprintf(identity, identity_most, "bench");
	memset(key, 1, key_most < 32 ? key_most : 32);
	return 32;
}

static inline unsigned int server_key(SSL *ssl, const char *identity, unsigned char *key,
				      unsigned int key_most)
{
	(void)ssl, (void)identity;
	memset(key, 1, key_most < 32 ? key_most : 32);
	return 32;
}

static inline SSL_CTX *cheap_context(bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	if (!ctx || !SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(ctx, "PSK-AES128-GCM-SHA256"))
		rude_fail("SSL_CTX_new");
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (server)
		SSL_CTX_set_psk_server_callback(ctx, server_key);
	else
		SSL_CTX_set_psk_client_callback(ctx, client_key);
	return ctx;
}

/* Two sessions that have shaken hands over a socket pair; returns the descriptor of the first. */
static inline int meet_over_pair(SSL_CTX *client, SSL_CTX *server, SSL **one, SSL **other)
{
	int pair[2], done;

	*one = SSL_new(client);
	*other = SSL_new(server);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		rude_fail("socketpair");
	rude_nonblocking(pair[0]);
	rude_nonblocking(pair[1]);
	SSL_set_fd(*one, pair[0]);
	SSL_set_fd(*other, pair[1]);
	SSL_set_connect_state(*one);
	SSL_set_accept_state(*other);
	do
		done = (SSL_do_handshake(*one) == 1) + (SSL_do_handshake(*other) == 1);
	while (done < 2);
	return pair[0];
}

#define ANSWER 500 /* what every peer has said, and nobody reads */

/* The peer, a program of its own without the library: accepts `count` connections, says ANSWER bytes on each, and reads
 * nothing, or one after the other to its end; it lives until nobody holds the other end of `control`. */
static inline void __attribute__((noreturn)) be_peer(int count, bool reads, int listener, int control)
{
	SSL_CTX *ctx = cheap_context(true);
	static char bytes[4096];

	signal(SIGPIPE, SIG_IGN);
	raise_limit();
	for (int i = 0; i < count; i++) {
		SSL *ssl = SSL_new(ctx);
		int fd = accept(listener, NULL, NULL);

		SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) != 1 || SSL_write(ssl, bytes, ANSWER) != ANSWER)
			rude_fail("peer");
		while (reads && recv(fd, bytes, sizeof(bytes), 0) > 0)
			;
		if (reads) {
			close(fd);
			SSL_free(ssl);
		}
	}
	while (read(control, bytes, 1) > 0)
		;
	rude_vanish();
}

/* What main() calls first. */
static inline void peer_begins(char **argv)
{
	if (argv[1] && !strcmp(argv[1], "peer"))
		be_peer(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
}

/* Returns its port. */
static inline int start_peer(int count, bool reads)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char path[4096] = "", numbers[4][16],
	     *arguments[] = {"bench", "peer", numbers[0], numbers[1], numbers[2], numbers[3], NULL};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), control[2], small = 4096;

	if ((!reads && setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small))) ||
	    bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, control))
		rude_fail("listen");
	snprintf(numbers[0], sizeof(numbers[0]), "%d", count);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", reads);
	snprintf(numbers[2], sizeof(numbers[2]), "%d", listener);
	snprintf(numbers[3], sizeof(numbers[3]), "%d", control[1]);
	fcntl(control[0], F_SETFD, FD_CLOEXEC); /* kept open until we end */
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) <
	    0) /* under valgrind the link is valgrind's own */
		rude_fail("readlink");
	switch (fork()) {
	case -1:
		rude_fail("fork");
	case 0:
		unsetenv("LD_PRELOAD");
		execv(path, arguments);
		_exit(99);
	default:
		close(control[1]);
		close(listener);
		return ntohs(address.sin_port);
	}
}

/* A connection that has written `length` bytes and has the peer's answer unread. */
static inline SSL *meet(SSL_CTX *ctx, int port, int length, int *fd)
{
	char number[16];
	struct rude r = {.port = number};
	SSL *ssl = SSL_new(ctx);
	int there = 0;

	snprintf(number, sizeof(number), "%d", port);
	*fd = rude_tcp(&r);
	SSL_set_fd(ssl, *fd);
	SSL_set_connect_state(ssl);
	rude_shake_hands(ssl);
	rude_write(ssl, length);
	while (there < ANSWER)
		if (ioctl(*fd, FIONREAD, &there))
			rude_fail("FIONREAD");
	return ssl;
}

#endif
