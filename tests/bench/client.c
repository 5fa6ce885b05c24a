/* SPDX-License-Identifier: MIT
 * A careful client: COUNT times in a row it asks a server for PATH, reads to the end of the connection, answers a close_notify
 * by its own, and closes. With "resume" it offers the last session again, if OpenSSL still holds it for resumable: not after an
 * end without close_notify. With "kept" it asks COUNT times over one connection; each answer ends with "hello".
 *
 *     client PORT PATH COUNT [resume | kept] */
#include "bench.h"

static char bytes[1 << 16];

static void hear_hello(SSL *ssl)
{
	const char hello[] = "hello";
	int all = 0, n;

	while (all < 5 || memcmp(bytes + all - 5, hello, 5) != 0) {
		n = SSL_read(ssl, bytes + all, (int)sizeof(bytes) - all);
		if (n <= 0)
			rude_fail("SSL_read");
		all += n;
	}
}

int main(int argc, char **argv)
{
	bool kept = argc > 4 && strcmp(argv[4], "kept") == 0;
	size_t count = argc > 3 ? (size_t)atoi(argv[3]) : 1, requests = kept ? count : 1;
	double *samples = calloc(count, sizeof(*samples)), all = now_ns(), got = 0;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *session = NULL;
	struct rude r = {.port = argv[1]};
	char request[256];
	int length, n, resumed = 0;

	if (argc < 4 || !ctx)
		rude_fail("client PORT PATH COUNT [resume | kept]");
	signal(SIGPIPE, SIG_IGN);
	length = snprintf(request, sizeof(request),
			  kept ? "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" : "GET %s HTTP/1.0\r\n\r\n",
			  argv[2]);
	for (size_t i = 0; i < count / requests; i++) {
		double start = now_ns();
		SSL *ssl = SSL_new(ctx);
		int fd = rude_tcp(&r);

		SSL_set_fd(ssl, fd);
		if (session)
			SSL_set_session(ssl, session);
		SSL_set_connect_state(ssl);
		rude_shake_hands(ssl);
		if (SSL_write(ssl, request, length) != length)
			rude_fail("SSL_write");
		for (size_t k = 1; k < requests; k++) {
			hear_hello(ssl);
			if (SSL_write(ssl, request, length) != length)
				rude_fail("SSL_write");
		}
		if (kept) {
			hear_hello(ssl);
			SSL_shutdown(ssl);
		}
		while ((n = SSL_read(ssl, bytes, sizeof(bytes))) > 0)
			got += n;
		resumed += SSL_session_reused(ssl);
		if (!kept && SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
			SSL_shutdown(ssl);
		SSL_SESSION_free(session);
		session = argc > 4 && !kept ? SSL_get1_session(ssl) : NULL;
		SSL_free(ssl);
		close(fd);
		ERR_clear_error();
		samples[i] = now_ns() - start;
	}
	printf("all %.0f\n", now_ns() - all);
	printf("median %.0f\n", quantile(samples, count / requests, 0.5));
	printf("bytes %.0f\n", got);
	printf("resumed %d\n", resumed);
	return 0;
}
